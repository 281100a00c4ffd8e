"""Rules of the loader, the compiler and the engine, each taken out of this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Final

import msgspec
import pytest

from gateway.detectors import detect
from gateway.engine import addresses
from gateway.errors import ItemReason, Refused
from gateway.model import Category, Detector, Facts, Release, Verdict
from gateway.pipeline.batch_decision import BatchDecision
from gateway.pipeline.flows import Flow, Flows
from gateway.plan import Plan, Properties
from gateway.policy import compile as compiling
from gateway.policy import endpoints, load, log_destinations, placement, residency, routes
from gateway.policy.compile import Compiler
from gateway.policy.document import Policy
from gateway.policy.placement import Placement
from gateway.policy.projector import Projector
from gateway.policy.rules import RecipientTerms
from gateway.policy.value_rules import property_rules
from tests.support.one_by_one import decide_one_by_one

C = Category
Replace = Callable[[pytest.MonkeyPatch], None]

FR: Final = frozenset({"FR", "IE", "BE"})


def none_at_all(*_given: object) -> Iterator[tuple[tuple[str, ...], str]]:
    """No problems."""
    yield from ()


def no_log_rules(patch: pytest.MonkeyPatch) -> None:
    """Neither the loader asks where a log is and what it may hold, nor the compiler."""
    patch.setattr(log_destinations, "problems", none_at_all)
    patch.setattr(Compiler, "_check_place", lambda *_given: None)


def no_endpoint_rules(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(endpoints, "problems", none_at_all)


def placed(category: Category, *regions: str, purpose: str = "") -> Replace:
    """Let a category be in other regions, or for other purposes."""
    return lambda patch: patch.setitem(placement.PLACEMENTS, category, Placement(FR | {*regions}, purpose))


def allows(name: str, category: Category) -> Replace:
    """Let the compiler allow one destination a category that the policy doesn't, and share its plans with no other."""
    known = RecipientTerms.allows

    def changed(self: RecipientTerms, asked: Category) -> bool:
        return known(self, asked) or (self.name, asked) == (name, category)

    def replace(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(RecipientTerms, "allows", changed)
        patch.setattr(RecipientTerms, "nameless", property(lambda terms: terms))

    return replace


def any_user_id(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(load, "user_id_problems", none_at_all)


def open_outside(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(compiling, "_open", none_at_all)


def without_echo(patch: pytest.MonkeyPatch) -> None:
    """Compile plans whose values may repeat the item's person."""
    known = Compiler.plan_for

    def changed(self: Compiler, *given: object, **named: object) -> Plan:
        return msgspec.structs.replace(known(self, *given, **named), person=None)  # type: ignore[arg-type]

    patch.setattr(Compiler, "plan_for", changed)


def unplanned_events(patch: pytest.MonkeyPatch) -> None:
    known = property_rules

    def changed(policy: Policy, selector: int, terms: RecipientTerms) -> Properties:
        held = known(policy, selector, terms)
        return msgspec.structs.replace(held, events={**held.events, "probe.unplanned": {}})

    patch.setattr(compiling, "property_rules", changed)


def late_times(patch: pytest.MonkeyPatch) -> None:
    known = Compiler.terms

    def changed(self: Compiler, name: str) -> RecipientTerms:
        return msgspec.structs.replace(known(self, name), timestamp_days=40_000)

    patch.setattr(Compiler, "terms", changed)


def no_network_addresses(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(detect.SCANS, Detector.IP, lambda _decoding: iter(()))


def no_cards(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(detect.SCANS, Detector.CARD, lambda _decoding: iter(()))


def no_free_mail(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(addresses, "is_personal_domain", lambda *_given: False)


def any_flow(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Flows, "of", lambda self, key: self.find(key) or self.find("otlp/logs"))


def consent_loads(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(residency, "LegalBasis", SimpleNamespace(CONSENT=None))


def no_gate(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Projector, "lacks_gate", lambda *_given: False, raising=False)


def accepts_anything(patch: pytest.MonkeyPatch) -> None:
    known = Flow.decide

    def changed(self: Flow, raw: bytes, facts: Facts) -> tuple[Verdict, ...]:
        try:
            return known(self, raw, facts)
        except Refused as refusal:
            if refusal.reason is not ItemReason.MALFORMED:
                raise
            return tuple(Release(name, term[0], term[1], raw) for name, term in self.terms)

    def changed_batch(
        self: Flow, raws: Sequence[bytes], facts: Sequence[Facts], *, identifiers: bool = True
    ) -> BatchDecision:
        return decide_one_by_one(partial(changed, self), raws, facts)

    patch.setattr(Flow, "decide", changed)
    patch.setattr(Flow, "decide_batch", changed_batch)


def plaintext_loads(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(routes, "CHECKS", tuple(one for one in routes.CHECKS if "plaintext" not in one.__name__))


def nothing(_patch: pytest.MonkeyPatch) -> None:
    """Replace nothing."""
