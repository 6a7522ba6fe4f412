"""A server's application that recommends, for test_forks.py. It is loaded, and has answered once, before any fork."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import torch

from triptych.ranking.recommender_folder import open_recommender

torch.set_num_threads(2)
MODEL = open_recommender(os.environ["SERVED_MODEL"])
USERS = MODEL.dataset.users.ids.to_list()
MODEL.recommend(k=3)


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Answer /N with the best item of each of the first N users."""
    rows = MODEL.recommend(USERS[: int(environ["PATH_INFO"].strip("/"))], k=1).to_polars()["item_id"].to_list()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(rows).encode()]
