"""A span's name: kept when it is of low cardinality, else its kind in its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from gateway.errors import Reason
from gateway.minimise.rules import Judge, Seen, judge_of, masked
from gateway.minimise.run import Masked
from gateway.minimise.schema import attribute
from gateway.minimise.wire import field
from gateway.plan import SpanName, Text

KIND: Final = attribute(6)
ATTRIBUTES: Final = attribute(9)

Named = Callable[[str, Any], Masked | None]
"""What takes the place of a span's name, by the name and the parsed span; None if it stays."""


def span_name(rule: SpanName) -> Named:
    """The judge of names."""
    listed = frozenset(rule.listed)
    forms, routed = _of(rule.forms), _of(rule.routed)
    routes = tuple(key.encode() for key in rule.routes)

    def judge(name: str, span: Any) -> Masked | None:
        if name in listed or forms(name) is None or (routed(name) is None and _is_route(name, span, routes)):
            return None
        if rule.free_text:
            return masked(name)
        kind = _kind(rule, span)
        # The name of its kind says nothing else: what was put there once stays.
        return None if name == kind else Masked(kind, Reason.NOT_LISTED)

    return judge


def _of(rule: Text | None) -> Judge:
    """None lets no name pass."""
    judge = None if rule is None else judge_of(rule)
    return Seen(lambda name: Reason.NOT_LISTED).__getitem__ if judge is None else judge


def _is_route(name: str, span: Any, routes: tuple[bytes, ...]) -> bool:
    """Whether an attribute that stays says that the path in a name is a route."""
    path = name.partition(" ")[2].encode()
    held = getattr(span, ATTRIBUTES)
    return any(field(1, key) + field(2, field(1, path)) in held for key in routes)


def _kind(rule: SpanName, span: Any) -> str:
    kind = getattr(span, KIND)
    return rule.kinds[kind] if kind < len(rule.kinds) else rule.kinds[0]
