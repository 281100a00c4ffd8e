"""A span's name: kept when it is of low cardinality, else its kind in its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from google.protobuf.message import Message

from gateway.engine.context import Masked, RuleResult
from gateway.engine.echo import Person
from gateway.engine.rules import RuleCheck, check_of
from gateway.errors import FieldReason
from gateway.plan import SpanName, Text
from gateway.protobuf.schema import attribute
from gateway.protobuf.wire import field

KIND: Final = attribute(6)
ATTRIBUTES: Final = attribute(9)


class SpanNameCheck:
    """Checks names of spans, beside the span's kind and those of its attributes that stay.

    With `GET` among the verbs and `http.route` among the keys whose value may follow it:

        "GET /v1/videos/{id}"     stays, where http.route says "/v1/videos/{id}"
        "GET /v1/videos/4711"     no attribute says so: "server", the name of its kind
    """

    def __init__(self, rule: SpanName) -> None:
        self._listed = frozenset(rule.listed)
        self._forms, self._routed, self._made = map(_form_check, (rule.forms, rule.routed, rule.made))
        self._route_keys, self._name_keys = (tuple(map(str.encode, keys)) for keys in (rule.routes, rule.named))
        self._verbs = frozenset(rule.verbs)
        self._echoes = rule.echo
        self._kinds = rule.kinds

    def check(self, name: str, span: Message, person: Person | None = None) -> Masked | None:
        """Return what takes the place of a name; None if it stays."""
        if name in self._listed:
            return None
        stays = self._forms(name) is None or self._is_routed(name, span) or self._is_made(name, span)
        repeats = self._echoes and person is not None and person.repeats(name, self, user_id=False)
        if stays and not repeats:
            return None
        kind = self._kind(span)
        # The name of its kind says nothing else: what was put there once stays.
        return None if name == kind else Masked(kind, FieldReason.ECHO if repeats else FieldReason.NOT_LISTED)

    def _is_routed(self, name: str, span: Message) -> bool:
        return self._routed(name) is None and _is_value(name.partition(" ")[2], span, self._route_keys)

    def _is_made(self, name: str, span: Message) -> bool:
        return self._made(name) is None and all(
            word in self._verbs or _is_named(word, span, self._name_keys) for word in name.split(" ")
        )

    def _kind(self, span: Message) -> str:
        kind: int = getattr(span, KIND)
        return self._kinds[kind] if kind < len(self._kinds) else self._kinds[0]


def _not_listed(name: str) -> RuleResult:
    return FieldReason.NOT_LISTED


def _form_check(rule: Text | None) -> RuleCheck:
    """The check of a form of names; without one no name passes."""
    check = None if rule is None else check_of(rule)
    return _not_listed if check is None else check


def _is_named(word: str, span: Message, keys: Sequence[bytes]) -> bool:
    """Whether attributes that stay say a word of a name: one of them, or two with a dot between them."""
    halves = ((word[:at], word[at + 1 :]) for at, char in enumerate(word) if char == ".")
    return _is_value(word, span, keys) or any(all(_is_value(half, span, keys) for half in both) for both in halves)


def _is_value(text: str, span: Message, keys: Sequence[bytes]) -> bool:
    """Whether a text is the string value of an attribute that stays."""
    attributes, value = getattr(span, ATTRIBUTES), field(2, field(1, text.encode()))
    return any(field(1, key) + value in attributes for key in keys)
