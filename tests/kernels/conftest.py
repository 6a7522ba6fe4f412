"""The instruction sets that this processor has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from triptych import kernels


@pytest.fixture(params=["v4_bf16", "v4", "v3", "baseline"])
def instructions(request: pytest.FixtureRequest) -> Iterator[str]:
    before = kernels.instructions()
    try:
        kernels.use_instructions(request.param)
    except ValueError:
        pytest.skip("this processor does not have these instructions")
    yield request.param
    kernels.use_instructions(before)
