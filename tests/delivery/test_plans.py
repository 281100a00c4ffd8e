"""Which plans a hub takes releases of, over reloads, restarts and kills."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.delivery.plans import EARLIER, OFTEN, Plans

NOW = 1_700_000_000.0


@pytest.mark.parametrize(("after", "known"), [(0.0, True), (EARLIER, True), (EARLIER + 1, False)])
def test_a_plan_is_known_for_a_while_after_it_was_in_force(after: float, known: bool, tmp_path: Path) -> None:
    plans = Plans(tmp_path / "plans.json")
    plans.put_in_force(["one"], NOW)
    plans.put_in_force(["other"], NOW)
    assert (plans.known("one", NOW + after), plans.known("other", NOW + after), plans.known("none", NOW)) == (known, True, False)
    assert Plans(tmp_path / "plans.json").known("one", NOW + after) is known


def test_one_that_was_in_force_for_long_is_known_after_a_kill(tmp_path: Path) -> None:
    plans = Plans(tmp_path / "plans.json")
    plans.put_in_force(["one"], NOW)
    later = NOW + 30 * EARLIER
    assert plans.known("one", later)
    again = Plans(tmp_path / "plans.json")
    again.put_in_force(["other"], later + OFTEN)
    assert again.known("one", later + OFTEN)


def test_a_file_that_cannot_be_read_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "plans.json").write_bytes(b"{")
    plans = Plans(tmp_path / "plans.json")
    assert not plans.known("one", NOW)
    plans.put_in_force(["one"], NOW)
    assert Plans(tmp_path / "plans.json").known("one", NOW)
