"""How recommenders and reports show themselves; see `triptych.display`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from triptych.data.cards import facts_of_dataset
from triptych.data.split import FIT_ON
from triptych.display import Card, count
from triptych.ranking.given_scores import GivenScores
from triptych.ranking.scorer import Blend, Factors, ItemWeights, Scorer

if TYPE_CHECKING:
    from triptych.ranking.evaluate import Report
    from triptych.ranking.recommender import Recommender

TRAINING = ("epochs", "best_epoch")  # what training says about itself, beside the validation metric


def card_of_recommender(recommender: Recommender) -> Card:
    """The model with its settings, how it ranks, what it was trained on and for how long."""
    about, scorer = recommender.about, recommender.scorer
    facts = facts_of_dataset(recommender.dataset)[:3]
    if isinstance(scorer, Blend):
        weights = zip(_names(about.get("models"), len(scorer.scorers)), scorer.weights, strict=True)
        facts.append(("blend of", ", ".join(f"{weight:g} {name}" for name, weight in weights)))
    else:
        facts.append(("ranks by", _scorer_text(scorer)))
    for label, key in (("modalities", "modalities"), ("of users", "user_modalities")):
        widths = about.get(key)
        if isinstance(widths, Mapping) and widths:
            facts.append((label, ", ".join(f"{name} ({width:,} wide)" for name, width in widths.items())))
    settings = about.get("settings")
    if isinstance(settings, Mapping) and settings:
        facts.append(("settings", ", ".join(f"{name}={value}" for name, value in settings.items())))
    known = [f"{name.replace('_', ' ')} {about[name]}" for name in TRAINING if about.get(name) is not None]
    known += [f"{name} {value:.4f}" for name, value in about.items() if _is_validation(name, value)]
    known += ["interrupted"] if about.get("interrupted") else []
    facts += [("training", ", ".join(known))] if known else []
    facts += [("fitted on", str(about[FIT_ON]))] if FIT_ON in about else []
    facts += [("split", str(about["split"]))] if about.get("split") else []
    return Card(f"Recommender: {about.get('model', type(scorer).__name__)}", facts)


def card_of_report(report: Report) -> Card:
    """The means of the metrics, a row per metric and a column per cutoff."""
    means = report.means
    cutoffs = sorted({int(name.partition("@")[2]) for name in means})
    names = list(dict.fromkeys(name.partition("@")[0] for name in means))
    rows = [[name, *(_mean(means, f"{name}@{k}") for k in cutoffs)] for name in names]
    without = f"; {count(report.n_without, 'user')} without" if report.n_without else ""
    facts = [("users", f"{len(report.users):,} with held-out items{without}"), ("left out", report.excluded)]
    return Card("Report", facts, header=["", *(f"@{k}" for k in cutoffs)], rows=rows)


def _mean(means: Mapping[str, float], name: str) -> str:
    return f"{means[name]:.4f}" if name in means else ""


def _names(models: Any, n: int) -> list[str]:
    """The names of the models of a blend, from its description; "?" where it does not say them."""
    described = list(models) if isinstance(models, list | tuple) and len(models) == n else [{}] * n
    return [str(each.get("model", "?")) if isinstance(each, Mapping) else "?" for each in described]


def _scorer_text(scorer: Scorer) -> str:
    if isinstance(scorer, Factors):
        return f"the inner product of {count(int(scorer.items.shape[1]), 'factor')}"
    if isinstance(scorer, GivenScores):
        return f"{count(int(scorer.scores.nnz), 'given score')}"
    return "item weights times the history" if isinstance(scorer, ItemWeights) else type(scorer).__name__


def _is_validation(name: str, value: Any) -> bool:
    return name.startswith("validation/") and isinstance(value, float)
