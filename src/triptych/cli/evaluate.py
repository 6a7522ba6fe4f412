"""`triptych evaluate`."""

from __future__ import annotations

from typing import Any, cast

from triptych.cli.options import Json, Quiet, Run
from triptych.cli.printing import open_with_progress, print_json, print_result, show_progress
from triptych.cli.protocol_options import (
    Exclude,
    HeldOutSplit,
    MeasuredUsers,
    Metrics,
    PerUser,
    RankedItems,
    Seen,
    check_protocol,
    described,
    print_report,
    read_ranked_items,
    users_line,
    write_per_user,
)
from triptych.cli.requests import ExcludedItems, Where, read_items
from triptych.cli.reranking import Calibrations, DiversityWeight, Quotas, SimilarityName, rerank_steps


def command(
    run: Run,
    split: HeldOutSplit = "test",
    exclude: Exclude = "train",
    items: RankedItems = "all",
    exclude_items: ExcludedItems = None,
    where: Where = None,
    diversity: DiversityWeight = None,
    similarity: SimilarityName = None,
    quota: Quotas = None,
    calibrate: Calibrations = None,
    seen: Seen = "auto",
    users: MeasuredUsers = "all",
    metrics: Metrics = None,
    per_user: PerUser = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Evaluate a trained model by full ranking.

    Every item is ranked for every user with held-out items. The metrics are ndcg, recall, precision, hit_rate, map
    and mrr at any cutoff, averaged over these users.

    Examples:
        triptych evaluate runs/bm3 --metrics ndcg@50,recall@20 \\
            --exclude train+validation

        # what more varied lists cost:
        triptych evaluate runs/bm3 --diversity 0.3
    """
    from triptych.ranking.recommender_folder import open_recommender

    kind, given = read_ranked_items(items)
    requested = check_protocol(split, exclude, kind, seen, users, metrics, per_user)
    left_out = read_items(exclude_items)
    steps = rerank_steps(diversity, similarity, quota, calibrate)
    recommender = open_with_progress(open_recommender, run)
    with show_progress() as listener:
        report = recommender.evaluate(
            cast(Any, split),
            exclude=cast(Any, exclude),
            items=cast(Any, kind) if given is None else given,
            exclude_items=left_out,
            where=where,
            seen=cast(Any, seen),
            users=cast(Any, users),
            rerank=steps,
            metrics=requested,
            listener=listener,
        )
    if per_user is not None:
        write_per_user(per_user, recommender.dataset.users, report)
    result = {
        "model": recommender.about.get("model"),
        **described(report, split, items, where, exclude_items, users),
        **({"rerank": [str(step) for step in steps]} if steps else {}),
        "metrics": report.means,
    }
    if json:
        print_json(result)
        return
    chosen = given is not None or left_out is not None or where is not None
    title = f"{result['model']} on {split}, full ranking{', re-ranked' if steps else ''}"
    print_report(title, report, kind, users, chosen_items=chosen)
    print_result(users_line(report, split))
