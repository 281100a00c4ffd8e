"""Of what didn't come to a recipient: is it late, dead or lost?"""

from __future__ import annotations

import pytest

from tests.e2e.fleet import HUB, KEEPING
from tests.e2e.rollout_arrivals import Stored, explained


@pytest.mark.parametrize(
    ("stored", "failing", "said"),
    [
        ([], [], ["lost: come/b, keep/a"]),
        ([Stored(HUB, ("keep", "other"))], [], ["lost: come/b, keep/a"]),
        (
            [Stored(HUB, ("keep", "a"), 12.5, 7), Stored(KEEPING, ("come", "b"), -1.0, 1)],
            ["keep"],
            [
                "late, at hub for keep: 1, due in 12.5 to 12.5 s, tried up to 7 times: a",
                "late, at keeping for come: 1, due in -1.0 to -1.0 s, tried up to 1 times: b",
                "left alone, for they failed: keep",
            ],
        ),
        (
            [Stored(HUB, ("keep", "a"), 0.0, 3, "REJECTED")],
            [],
            ["dead for REJECTED, at hub for keep: 1, due in 0.0 to 0.0 s, tried up to 3 times: a", "lost: come/b"],
        ),
    ],
)
def test_what_did_not_come_is_told_to_be_late_dead_or_lost(
    stored: list[Stored], failing: list[str], said: list[str]
) -> None:
    assert explained({("keep", "a"), ("come", "b")}, stored, failing).splitlines() == ["2 didn't come", *said]
