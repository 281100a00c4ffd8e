"""Checks of what feeds recipients by type, and of what goes beside a call: messages' kinds, and keys of metadata."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from gateway.evidence.statement.checks import CheckResult
from gateway.evidence.statement.in_force import InForce
from gateway.evidence.statement.kinds import KINDS, KNOWN_PREFIXES, Kind
from gateway.evidence.statement.recipients import NamedRecipient, Selection
from gateway.evidence.statement.rules import Rule
from gateway.model import Category
from gateway.policy.document import Classification
from gateway.yamlfile import Keys

CATEGORY_BY_WORD: Final[Mapping[str, Category]] = {
    "cookie": Category.COOKIE,
    "email": Category.WORK_EMAIL,
    "user-name": Category.NAME,
    "username": Category.NAME,
    "full-name": Category.NAME,
    "phone": Category.PHONE,
    "forwarded": Category.NETWORK,
    "real-ip": Category.NETWORK,
    "client-ip": Category.NETWORK,
}
"""What a key of metadata holds whose name has such a word in it, whatever it is called in the policy."""


class KindCheck(msgspec.Struct, frozen=True):
    """Recipients are fed with messages of one kind, and with none of Kannelle's beside."""

    rule: Rule
    selection: Selection
    kind: Kind

    def run(self, held: InForce) -> Iterator[CheckResult]:
        """Yield a result for each recipient."""
        for one in self.selection.of(held.recipients):
            known = (name for name in one.types if name.startswith(KNOWN_PREFIXES))
            others = [name for name in known if not name.startswith(self.kind.types)]
            tried = f"{one.name} is fed with {self.kind.wording} alone"
            outcome = f"it is fed with {', '.join(others)}" if others else "it is"
            yield CheckResult(self.rule, not others, tried, outcome, one.keys)


class SeparateKindsCheck(msgspec.Struct, frozen=True):
    """Recipients are fed with messages of one kind, whichever it is."""

    rule: Rule
    selection: Selection

    def run(self, held: InForce) -> Iterator[CheckResult]:
        """Yield a result for each recipient that something of a known kind leads to."""
        for one in self.selection.of(held.recipients):
            kinds = [kind.wording for kind in KINDS if any(name.startswith(kind.types) for name in one.types)]
            if kinds:
                tried = f"{one.name} is fed with one kind of messages"
                yield CheckResult(self.rule, len(kinds) == 1, tried, f"it is fed with {', '.join(kinds)}", one.keys)


class MetadataCheck(msgspec.Struct, frozen=True):
    """Recipients get no more beside a call than values of the categories that the policy allows them.

    A cookie is checked by its purpose, and what says who calls (`authorization`) passes as it is.
    """

    rule: Rule
    selection: Selection

    def run(self, held: InForce) -> Iterator[CheckResult]:
        """Yield a result for each recipient that gets any."""
        for one in self.selection.of(held.recipients):
            held_by = _categories(one)
            more = {keys: said for keys, said in held_by.items() if said not in one.allow | {Category.COOKIE}}
            tried = f"{one.name} gets no more in metadata than it is allowed"
            for keys, said in more.items():
                yield CheckResult(self.rule, False, tried, f"{keys[-1]} holds {said.name}", keys)
            if held_by and not more:
                yield CheckResult(self.rule, True, tried, f"it gets {_names(held_by)}", (*one.keys, "metadata"))


class CookieCheck(msgspec.Struct, frozen=True):
    """Only recipients with one of some purposes get cookies beside a call."""

    rule: Rule
    selection: Selection
    purposes: tuple[str, ...]

    def run(self, held: InForce) -> Iterator[CheckResult]:
        """Yield a result for all that get none together, and one for each cookie."""
        others = (one for one in self.selection.of(held.recipients) if not one.has_purpose(self.purposes))
        found = [(one, keys) for one in others for keys, said in _categories(one).items() if said is Category.COOKIE]
        tried = f"{self.selection.wording}: none gets a cookie in metadata that isn't for it"
        for one, keys in found:
            outcome = f"{one.name}, which is for {one.purpose}, gets one"
            yield CheckResult(self.rule, False, tried, outcome, keys)
        if not found:
            yield CheckResult(self.rule, True, tried, "none does")


def _categories(one: NamedRecipient) -> dict[Keys, Category]:
    """What each key that a recipient gets holds: by its name, or else as the policy lists it."""
    at, given = (*one.keys, "metadata"), one.metadata
    found: dict[Keys, Category] = {}
    for section, entries in (("keys", given.keys), ("baggage", given.baggage), ("tracestate", given.tracestate)):
        for name, held in entries.items():
            listed = held.privacy.category if isinstance(held, Classification) else held
            found[*at, section, name] = _category_of_name(name) or listed
    for index, name in enumerate(given.credentials):
        if category := _category_of_name(name):
            found[*at, "credentials", index] = category
    return found


def _category_of_name(name: str) -> Category | None:
    """What a key holds by its name, if that says so."""
    return next((category for word, category in CATEGORY_BY_WORD.items() if word in name.replace("_", "-")), None)


def _names(held_by: Mapping[Keys, Category]) -> str:
    return ", ".join(str(keys[-1]) for keys in held_by)
