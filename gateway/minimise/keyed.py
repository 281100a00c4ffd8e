"""Values whose rule depends on a key beside them: OTLP attributes and bodies, the properties of events.

Each is handled as raw bytes with a small schema of its own, in which kinds that are never kept don't exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from gateway.errors import Reason
from gateway.minimise.detectors.detect import find
from gateway.minimise.memo import Dismiss, Rewrite
from gateway.minimise.rules import Factual, Seen, factual_of, judge_of, masked
from gateway.minimise.run import Masked, Run
from gateway.minimise.schema import attribute, build, parse
from gateway.patterns import TOKEN, compile_pattern
from gateway.plan import Attributes, Body, FieldPlan, MessagePlan, Presence, Value
from gateway.policy.never import said

_IMPLICIT, _EXPLICIT, _EXPANDED = Presence.IMPLICIT, Presence.EXPLICIT, Presence.EXPANDED


def _kinds(*kinds: str) -> tuple[FieldPlan, ...]:
    return tuple(FieldPlan(number, kind, kind, _EXPLICIT, oneof="kind") for number, kind in enumerate(kinds, 1))


def _pair(value: int) -> tuple[FieldPlan, ...]:
    return (FieldPlan(1, "key", "string", _IMPLICIT), FieldPlan(2, "value", "message", _EXPLICIT, message=value))


# opentelemetry/proto/common/v1/common.proto, without key-value lists, bytes and string table indices.
_KEY_VALUE, _ANY_VALUE, _ARRAY = build(
    (
        MessagePlan("KeyValue", _pair(1)),
        MessagePlan("AnyValue", (*_kinds("string", "bool", "int64", "double"), FieldPlan(5, "array", "message", _EXPLICIT, "kind", 2))),
        MessagePlan("ArrayValue", (FieldPlan(1, "values", "message", _EXPANDED, message=1),)),
    )
)
# An entry of kannelle.privacy.v1.AnalyticsEvent.properties.
_PROPERTY, _ = build((MessagePlan("PropertiesEntry", _pair(1)), MessagePlan("PropertyValue", _kinds("string", "int64", "double", "bool"))))

KEY: Final = attribute(1)
KEY_TAG: Final = 1 << 3 | 2
"""What a key begins with on the wire; its length follows."""
VALUE: Final = attribute(2)
ARRAY: Final = attribute(5)
KIND: Final = "o0"

Judges = Mapping[str, Factual | None]
"""The judge of each kind of value, by its field's name."""


def attributes(rule: Attributes) -> Rewrite:
    """Minimise a `KeyValue`."""
    exact = {key: _otlp(value) for key, value in rule.exact.items()}
    prefixes = {key: _otlp(value) for key, value in rule.prefixes.items()}

    def rewrite(raw: bytes, run: Run) -> bytes | Reason:
        message = parse(_KEY_VALUE, raw)
        key = getattr(message, KEY)
        judges = exact[key] if key in exact else _under(prefixes, key)
        if judges is None:
            return Reason.UNCLASSIFIED
        return _judged(message, judges, run) if judges else Reason.CATEGORY_NOT_ALLOWED

    return rewrite


def unlisted(rule: Attributes) -> Dismiss:
    """Dismiss a `KeyValue` whose key isn't listed, without parsing it. A second key further on could only be a lesser evil: it goes too."""
    exact = frozenset(key.encode() for key in rule.exact)
    prefixes = tuple(prefix.encode() for prefix in rule.prefixes)

    def judge(key: bytes) -> Reason | None:
        return None if key in exact or key.startswith(prefixes) else Reason.UNCLASSIFIED

    seen = Seen(judge)

    def dismiss(raw: bytes) -> Reason | None:
        if len(raw) < 2 or raw[0] != KEY_TAG or raw[1] > 127:
            return None
        return cast("Reason | None", seen[raw[2 : 2 + raw[1]]])

    return dismiss


def properties(rules: Mapping[str, Value]) -> Rewrite:
    """Minimise an entry of one event's properties."""
    known = {key: _planned(value) for key, value in rules.items()}

    def rewrite(raw: bytes, run: Run) -> bytes | Reason:
        message = parse(_PROPERTY, raw)
        judges = known.get(getattr(message, KEY))
        return Reason.NOT_LISTED if judges is None else _judged(message, judges, run)

    return rewrite


def body(rule: Body) -> Rewrite:
    """Minimise a log body, an `AnyValue`: only strings pass."""
    templates = frozenset(rule.templates)

    def rewrite(raw: bytes, run: Run) -> bytes | Reason:
        message = parse(_ANY_VALUE, raw)
        if message.WhichOneof(KIND) != KEY:
            return Reason.WRONG_KIND
        text = getattr(message, KEY)
        if text not in templates:
            if not rule.free_text:
                return Reason.NOT_LISTED
            _put(message, KEY, masked(text), run)
        return _bytes(message)

    return rewrite


def _otlp(value: Value) -> Judges:
    return _judges(value.string, value.boolean, value.integer, value.double)


def _planned(value: Value) -> Judges:
    return _judges(value.string, value.integer, value.double, value.boolean)


def _judges(*rules: Any) -> Judges:
    """None at all where no kind of value may leave."""
    if not any(rules):
        return {}
    return {attribute(number): None if rule is None else factual_of(rule, judge_of(rule)) for number, rule in enumerate(rules, 1)}


def _under(prefixes: Mapping[str, Judges], key: str) -> Judges | None:
    """The judges of the longest prefix of a key.

    A key that isn't listed itself must look like one, nothing may hide in it, and it must not name what is never collected.
    """
    dots = (index for index in range(len(key) - 1, -1, -1) if key[index] == ".")
    found = next((prefixes[head] for dot in dots if (head := key[: dot + 1]) in prefixes), None)
    return found if found is not None and _TOKEN.fullmatch(key) and find(key) is None and said(key) is None else None


_TOKEN = compile_pattern(TOKEN)


def _judged(message: Any, judges: Judges, run: Run) -> bytes | Reason:
    """What is left of a pair once its value is judged."""
    reason = _judge(getattr(message, VALUE), judges, run)
    return _bytes(message) if reason is None else reason


def _judge(value: Any, judges: Judges, run: Run) -> Reason | None:
    """Judge one value in place; the reason if it can't stay."""
    kind = value.WhichOneof(KIND)
    if kind == ARRAY:
        return _judge_array(getattr(value, ARRAY), judges, run)
    judge = judges.get(kind)
    if judge is None:
        return Reason.WRONG_KIND
    ruled = judge(getattr(value, kind), run)
    if isinstance(ruled, Reason):
        return ruled
    _put(value, kind, ruled, run)
    return None


def _judge_array(array: Any, judges: Judges, run: Run) -> Reason | None:
    """Judge the elements one by one; an array in an array can't stay."""
    elements = getattr(array, KEY)
    reasons = [Reason.WRONG_KIND if one.WhichOneof(KIND) == ARRAY else _judge(one, judges, run) for one in elements]
    kept = [one for one, reason in zip(elements, reasons, strict=True) if reason is None]
    for reason in filter(None, reasons):
        run.note((None, "[*]"), reason)
    if elements and not kept:
        return Reason.NOTHING_ALLOWED
    array.ClearField(KEY)
    getattr(array, KEY).extend(kept)
    return None


def _put(message: Any, name: str, ruled: Any, run: Run) -> None:
    if isinstance(ruled, Masked):
        run.note(None, ruled.reason, masked=True)
        ruled = ruled.text
    if ruled is not None:
        setattr(message, name, ruled)


def _bytes(message: Any) -> bytes:
    payload: bytes = message.SerializePartialToString()
    return payload
