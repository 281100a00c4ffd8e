"""Where the facts open no gate, an item is withheld: at once, and when it is taken for delivery."""

from __future__ import annotations

from typing import Final

import pytest

from gateway.delivery.redecider import Redecider
from gateway.directory import NoDirectory
from gateway.errors import ItemReason
from gateway.model import Facts, Release, Subject, Switch, Verdict, Withheld
from gateway.pipeline.decide import Decider
from gateway.pipeline.flows import Flows
from gateway.pipeline.offload import Offload
from gateway.receivers.receipts import brief_receipt
from tests.support.again import decide_again, minimised
from tests.support.contracts import NOW_SECONDS, encode
from tests.support.gated_projects import CONTRACT, PACKAGE, compiled

PROJECT: Final = f"{PACKAGE}.Project"
FLOWS: Final = Flows(compiled(f"{{{PROJECT}: [backup]}}"))
NOW: Final = NOW_SECONDS * 10**9
WITHHELD: Final = Withheld("backup", ItemReason.BACKUP_NOT_ON)


class Directory:
    """Knows of each workspace whether it has switched backup on, at once or after a wait."""

    knows_nobody = False

    def __init__(self, switches: dict[str, Switch], *, at_hand: bool = True) -> None:
        self.switches = switches
        self._at_hand = at_hand

    def cached_facts(self, subject: Subject, received_ns: int) -> Facts | None:
        return self._facts(subject, received_ns) if self._at_hand else None

    async def facts(self, subject: Subject, received_ns: int) -> Facts:
        return self._facts(subject, received_ns)

    def _facts(self, subject: Subject, received_ns: int) -> Facts:
        known = self.switches.get(subject.workspace, Switch.UNKNOWN)
        return Facts(received_ns, directory=True, backup=known)


def project(workspace: str) -> bytes:
    return encode(CONTRACT, PROJECT, f"workspace_id: '{workspace}' title: 'Portrait' owner_id: 'usr_1'")


async def decided(decider: Decider, raw: bytes) -> Verdict:
    _, (verdict,) = await decider.decide(FLOWS.of_type(PROJECT), raw, NOW)
    return verdict


@pytest.mark.parametrize("at_hand", [True, False])
@pytest.mark.parametrize(
    ("workspace", "passes"), [("ws_on", True), ("ws_off", False), ("ws_stranger", False), ("", False)]
)
async def test_it_is_the_item_s_own_workspace_that_is_asked(workspace: str, passes: bool, at_hand: bool) -> None:
    directory = Directory({"ws_on": Switch.ON, "ws_off": Switch.OFF}, at_hand=at_hand)
    verdict = await decided(Decider(directory, Offload()), project(workspace))
    assert isinstance(verdict, Release) if passes else verdict == WITHHELD


async def test_without_a_directory_everything_is_withheld() -> None:
    assert await decided(Decider(NoDirectory(), Offload()), project("ws_on")) == WITHHELD


@pytest.mark.parametrize("then", [Switch.OFF, Switch.UNKNOWN, None])
async def test_what_was_switched_off_meanwhile_is_withheld_from_delivery(then: Switch | None) -> None:
    directory = Directory({"ws_1": Switch.ON})
    decider = Decider(directory, Offload())
    release = await decided(decider, project("ws_1"))
    assert isinstance(release, Release)
    again = Redecider(lambda: FLOWS, decider)
    item = minimised("backup", PROJECT, release.payload, NOW)
    assert isinstance(await decide_again(again, item), Release)
    if then is None:
        again = Redecider(lambda: FLOWS, Decider(NoDirectory(), Offload()))
    else:
        directory.switches["ws_1"] = then
    assert await decide_again(again, item) == WITHHELD


def test_its_sender_learns_that_it_is_withheld_and_not_why() -> None:
    receipt = brief_receipt(WITHHELD)
    assert "BACKUP" not in str(receipt)
    assert "OUTCOME_WITHHELD" in str(receipt)
