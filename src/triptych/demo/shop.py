"""Write the world as the files of a shop: two CSV tables and a folder of pictures."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from triptych.demo.pictures import draw_item
from triptych.demo.world import CATEGORIES, FORMS, MATERIALS, MOTIFS, PALETTES, World
from triptych.progress import Listener, ignore_progress, track


def write_world(world: World, folder: Path, listener: Listener = ignore_progress) -> None:
    """Write the files of a shop into a folder, which is created if need be. Files of the same names are replaced.

    - `interactions.csv`: user_id, item_id, timestamp (seconds), ordered by time;
    - `items.csv`: item_id, title, description (empty if missing), category, materials (`oak|brass`), price, picture
      (a path in the folder, empty if missing);
    - `pictures/<item_id>.png`.

    The files do not contain the hidden attributes, the tastes or the circles.
    """
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    user_ids, item_ids, items = world.user_ids, world.items.ids, world.items
    with (folder / "interactions.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["user_id", "item_id", "timestamp"])
        for row in np.argsort(world.timestamps, kind="stable"):
            user, item = world.interaction_users[row], world.interaction_items[row]
            writer.writerow([user_ids[user], item_ids[item], int(world.timestamps[row])])
    with (folder / "items.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["item_id", "title", "description", "category", "materials", "price", "picture"])
        for item, item_id in enumerate(track("drawing pictures", item_ids, listener)):
            picture = f"pictures/{item_id}.png" if items.has_picture[item] else ""
            materials = "|".join(name for name, has in zip(MATERIALS, items.materials[item], strict=True) if has)
            category, description = CATEGORIES[items.category[item]], items.descriptions[item] or ""
            price = f"{items.price[item]:.2f}"
            writer.writerow([item_id, items.titles[item], description, category, materials, price, picture])
            if picture:
                write_picture(world, item, folder / picture)


def write_picture(world: World, item: int, path: Path) -> None:
    """Draw the picture of one item into a PNG file. The same world and item give the same bytes."""
    items = world.items
    names = PALETTES[items.palette[item]], MOTIFS[items.motif[item]], FORMS[items.form[item]]
    generator = np.random.default_rng([world.seed, 3, item])
    draw_item(*names, CATEGORIES[items.category[item]], generator).save(path, compress_level=1)
