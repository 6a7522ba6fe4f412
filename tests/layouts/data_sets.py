"""Well-known data sets, as they are downloaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from layouts.rows import ITEMS, N_ITEMS, ROWS, USERS, json_lines, lines, rows_with


def amazon_2014(folder: Path) -> None:
    """Reviews as JSON lines, metadata as lines of Python dictionaries, ratings without a header."""
    json_lines(
        folder / "reviews_Baby_5.json.gz",
        [
            {
                "reviewerID": user,
                "asin": item,
                "reviewerName": 'J. "Jo" O\'Neil',
                "helpful": [0, 1],
                "reviewText": "good, it's",
                "overall": float(rating),
                "summary": "five stars",
                "unixReviewTime": time,
                "reviewTime": "06 3, 2014",
            }
            for user, item, rating, time in ROWS
        ],
    )
    json_lines(
        folder / "meta_Baby.json.gz",
        [
            {
                "asin": item,
                "title": f"it's {item}",
                "price": 9.5 + number,
                "salesRank": {"Baby": number},
                "categories": [["Baby", "Toys" if number % 2 else "Care"], ["Baby", "Sale"]],
                "related": {"also_bought": []},
            }
            for number, item in enumerate(ITEMS)
        ],
        repr,
    )
    lines(folder / "ratings_Baby.csv", [f"{user},{item},{float(rating)},{time}" for user, item, rating, time in ROWS])


def amazon_2018(folder: Path) -> None:
    json_lines(
        folder / "Baby_5.json.gz",
        [
            {
                "overall": float(rating),
                "verified": True,
                "reviewTime": "09 1, 2016",
                "reviewerID": user,
                "asin": item,
                "style": {"Color:": " red"},
                "reviewText": "text",
                "unixReviewTime": time,
            }
            for user, item, rating, time in ROWS
        ],
    )
    json_lines(
        folder / "meta_Baby_2018.json.gz",
        [
            {
                "category": ["Baby", "Toys" if number % 2 else "Care"],
                "description": ["one", "two"],
                "title": f"it {item}",
                "brand": f"brand {number % 4}",
                "feature": ["a", "b"],
                "price": "$9.99",
                "asin": item,
            }
            for number, item in enumerate(ITEMS)
        ],
    )
    lines(folder / "Baby.csv", [f"{item},{user},{float(rating)},{time}" for user, item, rating, time in ROWS])


def amazon_2023(folder: Path) -> None:
    json_lines(
        folder / "Baby_Products.jsonl.gz",
        [
            {
                "rating": float(rating),
                "title": "t",
                "text": "x",
                "images": [],
                "asin": f"{item}V",
                "parent_asin": item,
                "user_id": user,
                "timestamp": 1000 * time + 5,
                "helpful_vote": 0,
                "verified_purchase": True,
            }
            for user, item, rating, time in ROWS
        ],
    )
    json_lines(
        folder / "meta_Baby_Products.jsonl.gz",
        [
            {
                "main_category": "Baby",
                "title": f"it {item}",
                "average_rating": 4.5,
                "features": ["a"],
                "description": [],
                "price": None if number % 2 else 9.99,
                "images": [{"thumb": "u"}],
                "store": f"s{number % 3}",
                "categories": ["Baby", "Toys" if number % 2 else "Care"],
                "details": {"Brand": "x"},
                "parent_asin": item,
            }
            for number, item in enumerate(ITEMS)
        ],
    )
    lines(folder / "Baby_Products.csv", ["user_id,parent_asin,rating,timestamp", *rows_with(",", 0, 1, 2, 3)])


def movielens(folder: Path) -> None:
    """ml-100k, ml-1m (ratings.dat) and ml-25m (ratings.csv)."""

    def number(text: str) -> str:
        return str(int(text.strip("ABX")) + 1) if text[0] in "AB" else text

    titles = [f"Misérables {item} (1995)" for item in ITEMS]
    lines(folder / "ml-100k/u.data", rows_with("\t", 0, 1, 2, 3, ids=number))
    flags = ["|".join("01"[genre in (n % 5 + 1, 8)] for genre in range(19)) for n in range(N_ITEMS)]
    films = [f"{number(item)}|{titles[n]}|01-Jan-1995||http://x|{flags[n]}" for n, item in enumerate(ITEMS)]
    lines(folder / "ml-100k/u.item", films, "latin-1")
    lines(folder / "ml-1m/ratings.dat", rows_with("::", 0, 1, 2, 3, ids=number))
    genres = [f"Drama|{'War' if n % 2 else 'Comedy'}" for n in range(N_ITEMS)]
    movies = [f"{number(item)}::{titles[n]}::{genres[n]}" for n, item in enumerate(ITEMS)]
    lines(folder / "ml-1m/movies.dat", movies, "latin-1")
    lines(folder / "ml-25m/ratings.csv", ["userId,movieId,rating,timestamp", *rows_with(",", 0, 1, 2, 3, ids=number)])
    movies = [f'{number(item)},"{titles[n]}, The",{genres[n]}' for n, item in enumerate(ITEMS)]
    lines(folder / "ml-25m/movies.csv", ["movieId,title,genres", *movies])
    lines(folder / "ml-25m/README.txt", ["Summary"])


def recbole_and_mmrec(folder: Path) -> None:
    header = "user_id:token\titem_id:token\trating:float\ttimestamp:float"
    lines(folder / "ml/ml.inter", [header, *rows_with("\t", 0, 1, 2, 3)])
    items = [f"{item}\tStory {item}\tDrama {'War' if n % 2 else 'Comedy'}" for n, item in enumerate(ITEMS)]
    lines(folder / "ml/ml.item", ["item_id:token\tmovie_title:token_seq\tclass:token_seq", *items])
    split = [
        (str(USERS.index(user)), str(ITEMS.index(item)), str(n % 7 % 3)) for n, (user, item, _, _) in enumerate(ROWS)
    ]
    lines(folder / "baby/baby.inter", ["userID\titemID\tx_label", *map("\t".join, split)])
    np.save(folder / "baby/image_feat.npy", np.random.default_rng(0).normal(size=(N_ITEMS, 4)).astype(np.float32))


def sessions(folder: Path) -> None:
    """OTTO: one session per line with a list of events. Steam: one user per line with a list of games."""
    by_user = {user: [row for row in ROWS if row[0] == user] for user in USERS}
    events = [
        {
            "session": n,
            "events": [
                {"aid": ITEMS.index(item), "ts": 1000 * time, "type": ("clicks", "carts", "orders")[k % 3]}
                for k, (_, item, _, time) in enumerate(rows)
            ],
        }
        for n, rows in enumerate(by_user.values())
    ]
    json_lines(folder / "otto-train.jsonl", events)
    games = [
        {
            "user_id": user,
            "items_count": len(rows),
            "steam_id": "7",
            "items": [
                {"item_id": item, "item_name": "It's", "playtime_forever": 60 * rating} for _, item, rating, _ in rows
            ],
        }
        for user, rows in by_user.items()
    ]
    json_lines(folder / "australian_users_items.json.gz", games, repr)


def shops(folder: Path) -> None:
    """H&M, Yelp, Retailrocket and Online Retail."""
    days = [f"2018-09-{time % 28 + 1:02d},{user},0{ITEMS.index(item):09d},0.05,2" for user, item, _, time in ROWS]
    lines(folder / "transactions_train.csv", ["t_dat,customer_id,article_id,price,sales_channel_id", *days])
    articles = [f'0{n:09d},"Strap, top",{"Black" if n % 2 else "White"}' for n in range(N_ITEMS)]
    lines(folder / "articles.csv", ["article_id,prod_name,colour_group_name", *articles])
    json_lines(
        folder / "yelp_academic_dataset_review.json",
        [
            {
                "review_id": f"r{n}",
                "user_id": user,
                "business_id": item,
                "stars": float(rating),
                "text": "a\nb",
                "date": "2018-07-07 22:09:11",
            }
            for n, (user, item, rating, _) in enumerate(ROWS)
        ],
    )
    json_lines(
        folder / "yelp_academic_dataset_business.json",
        [
            {
                "business_id": item,
                "name": f"place {item}",
                "categories": "Pizza, Bars" if n % 2 else "Pizza",
                "hours": None,
            }
            for n, item in enumerate(ITEMS)
        ],
    )
    bills = [
        f'5,{item},"WHITE, ""HEART""",6,{time % 12 + 1}/{time % 28 + 1}/2010 8:26,2.55,{USERS.index(user)}.0'
        for user, item, _, time in ROWS
    ]
    header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID"
    lines(folder / "online_retail.csv", [header, *bills], "latin-1")


LAYOUTS = (amazon_2014, amazon_2018, amazon_2023, movielens, recbole_and_mmrec, sessions, shops)
