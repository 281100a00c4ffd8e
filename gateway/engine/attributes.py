"""Values whose rule depends on a key beside them: OTLP attributes and bodies, the properties of events.

Each is handled as raw bytes with a small schema of its own, in which kinds that are never kept don't exist.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, cast

import msgspec

from gateway.detectors.personal_names import is_personal_name
from gateway.engine.apply_rule import apply_result
from gateway.engine.arrays import check_joined, sought_of
from gateway.engine.context import DecisionContext
from gateway.engine.message_cache import Dismiss, Rewrite
from gateway.engine.names import check_name
from gateway.engine.rules import ContextRule, VerdictCache, check_of, context_rule_of, masked
from gateway.errors import FieldReason, Reason
from gateway.model import Detector
from gateway.patterns import TOKEN, compile_pattern
from gateway.plan import Attributes, Body, FieldPlan, MessagePlan, Presence, Value
from gateway.protobuf.schema import attribute, build, parse

_IMPLICIT, _EXPLICIT, _EXPANDED = Presence.IMPLICIT, Presence.EXPLICIT, Presence.EXPANDED


def _kinds(*kinds: str) -> tuple[FieldPlan, ...]:
    return tuple(FieldPlan(number, kind, kind, _EXPLICIT, oneof="kind") for number, kind in enumerate(kinds, 1))


def _pair(value: int) -> tuple[FieldPlan, ...]:
    return (FieldPlan(1, "key", "string", _IMPLICIT), FieldPlan(2, "value", "message", _EXPLICIT, message=value))


# opentelemetry/proto/common/v1/common.proto, without bytes and string table indices.
KEY_VALUE, ANY_VALUE, _ARRAY, _LIST = build(
    (
        MessagePlan("KeyValue", _pair(1)),
        MessagePlan(
            "AnyValue",
            (
                *_kinds("string", "bool", "int64", "double"),
                FieldPlan(5, "array", "message", _EXPLICIT, "kind", 2),
                FieldPlan(6, "list", "message", _EXPLICIT, "kind", 3),
            ),
        ),
        MessagePlan("ArrayValue", (FieldPlan(1, "values", "message", _EXPANDED, message=1),)),
        MessagePlan("KeyValueList", (FieldPlan(1, "values", "message", _EXPANDED, message=0),)),
    )
)
# An entry of kannelle.privacy.v1.AnalyticsEvent.properties.
PROPERTY, _ = build(
    (
        MessagePlan("PropertiesEntry", _pair(1)),
        MessagePlan("PropertyValue", _kinds("string", "int64", "double", "bool")),
    )
)

KEY: Final = attribute(1)
KEY_TAG: Final = 1 << 3 | 2
"""What a key begins with on the wire; its length follows."""
VALUE: Final = attribute(2)
ARRAY: Final = attribute(5)
LIST: Final = attribute(6)
KIND: Final = "o0"
_PARTS: Final = frozenset(map(attribute, (1, 3, 4)))
"""The kinds of value that may be parts of one: strings, whole numbers and others."""

ValueChecks = Mapping[str, ContextRule | None]
"""The judge of each kind of value, by its field's name."""


def attributes(rule: Attributes) -> Rewrite:
    """Minimise a `KeyValue`."""
    pair = _Pairs(rule).judge

    def rewrite(raw: bytes, run: DecisionContext) -> bytes | Reason:
        message = parse(KEY_VALUE, raw)
        reason = pair(message, "", run)
        return _bytes(message) if reason is None else reason

    return rewrite


def quick_reject(rule: Attributes) -> Dismiss:
    """Dismiss a `KeyValue` by its key, without parsing it.

    One that isn't listed and leads to none that is, or is listed and may not leave.

    A second key further on could only be a lesser evil: it goes too.
    """
    closed = frozenset(key.encode() for key, value in rule.exact.items() if value == Value())
    listed = (*rule.exact, *rule.prefixes)
    known = frozenset(key.encode() for key in listed) | {head.encode() for key in listed for head in key_prefixes(key)}
    prefixes = tuple(prefix.encode() for prefix in rule.prefixes)

    def judge(key: bytes) -> Reason | None:
        if key in closed:
            return FieldReason.CATEGORY_NOT_ALLOWED
        return None if key in known or key.startswith(prefixes) else FieldReason.UNCLASSIFIED

    seen = VerdictCache(judge)

    def dismiss(raw: bytes) -> Reason | None:
        if len(raw) < 2 or raw[0] != KEY_TAG or raw[1] > 127:
            return None
        return cast("Reason | None", seen[raw[2 : 2 + raw[1]]])

    return dismiss


def properties(rules: Mapping[str, Value]) -> Rewrite:
    """Minimise an entry of one event's properties."""
    known = {key: _planned(value) for key, value in rules.items()}

    def rewrite(raw: bytes, run: DecisionContext) -> bytes | Reason:
        message = parse(PROPERTY, raw)
        judges = known.get(getattr(message, KEY))
        return FieldReason.NOT_LISTED if judges is None else _judged(message, judges, run)

    return rewrite


def body(rule: Body) -> Rewrite:
    """Minimise a log body, an `AnyValue`: only strings and key-value lists pass."""
    templates, pairs = frozenset(rule.templates), _Pairs(rule.attributes)

    def rewrite(raw: bytes, run: DecisionContext) -> bytes | Reason:
        message = parse(ANY_VALUE, raw)
        kind = message.WhichOneof(KIND)
        if kind == LIST:
            reason = pairs.judge_list(getattr(message, LIST), "", run)
            return _bytes(message) if reason is None else reason
        if kind != KEY:
            return FieldReason.WRONG_KIND
        text = getattr(message, KEY)
        if text not in templates:
            if not rule.free_text:
                return FieldReason.NOT_LISTED
            _put(message, KEY, masked(text), run)
        return _bytes(message)

    return rewrite


class _KeyRule(msgspec.Struct, frozen=True):
    """How the values of a key are judged; without judges none may leave.

    `sought` must not show where an array's elements are joined.
    """

    judges: ValueChecks
    sought: tuple[Detector, ...]


def _otlp(value: Value) -> _KeyRule:
    return _KeyRule(_judges(value.string, value.boolean, value.integer, value.double), sought_of(value.string))


def _planned(value: Value) -> ValueChecks:
    return _judges(value.string, value.integer, value.double, value.boolean)


def _judges(*rules: Any) -> ValueChecks:
    """None at all where no kind of value may leave."""
    if not any(rules):
        return {}
    return {
        attribute(number): None if rule is None else context_rule_of(rule, check_of(rule))
        for number, rule in enumerate(rules, 1)
    }


def key_prefixes(key: str) -> Iterator[str]:
    """Yield what a key begins with, up to each of its dots, the longest first."""
    return (key[:index] for index in range(len(key) - 1, -1, -1) if key[index] == ".")


_TOKEN = compile_pattern(TOKEN)


class _Pairs:
    """Judges keys with their values, in place, by one set of rules; the keys of nested lists by their path."""

    def __init__(self, rule: Attributes) -> None:
        self._exact = {key: _otlp(value) for key, value in rule.exact.items()}
        self._prefixes = {prefix.removesuffix("."): _otlp(value) for prefix, value in rule.prefixes.items()}
        self._impersonal = frozenset(prefix.removesuffix(".") for prefix in rule.impersonal)
        self._leading = frozenset(head for key in (*rule.exact, *rule.prefixes) for head in key_prefixes(key))
        self._under: Callable[[str], _KeyRule | None] = VerdictCache(self._found).__getitem__

    def judge(self, pair: Any, above: str, run: DecisionContext) -> Reason | None:
        """Judge a `KeyValue` below a path; the reason if it can't stay."""
        path = above + getattr(pair, KEY)
        judged = self._exact[path] if path in self._exact else self._under(path)
        if judged is None:
            return self._judge_leading(getattr(pair, VALUE), path, run)
        return (
            self._judge_value(getattr(pair, VALUE), judged, path, run)
            if judged.judges
            else FieldReason.CATEGORY_NOT_ALLOWED
        )

    def judge_list(self, held: Any, above: str, run: DecisionContext) -> Reason | None:
        """Judge the entries of a key-value list one by one."""
        return _judge_each(held, lambda pair: self.judge(pair, above, run), run)

    def _judge_leading(self, value: Any, path: str, run: DecisionContext) -> Reason | None:
        """Judge what stands at a path that isn't listed itself: only a list that leads to one that is."""
        leads = path in self._leading and value.WhichOneof(KIND) == LIST
        return self.judge_list(getattr(value, LIST), f"{path}.", run) if leads else FieldReason.UNCLASSIFIED

    def _judge_value(self, value: Any, judged: _KeyRule, path: str, run: DecisionContext) -> Reason | None:
        if value.WhichOneof(KIND) != ARRAY:
            return self._judge_element(value, judged.judges, path, run)
        array = getattr(value, ARRAY)
        reason = _judge_each(array, lambda element: self._judge_element(element, judged.judges, path, run), run)
        return reason or check_joined(_parts(array), judged.sought)

    def _judge_element(self, element: Any, judges: ValueChecks, path: str, run: DecisionContext) -> Reason | None:
        """Judge what is no array. A key that is listed has no list for its value, unless longer ones are listed too."""
        if element.WhichOneof(KIND) != LIST:
            return _judge(element, judges, run)
        if path in self._exact and path not in self._leading:
            return FieldReason.WRONG_KIND
        return self.judge_list(getattr(element, LIST), f"{path}.", run)

    def _found(self, path: str) -> _KeyRule | None:
        """How the longest prefix of a path has it judged.

        One that isn't listed itself must look like a key, and be a name that can stay; under some prefixes, one that
        says nothing personal.
        """
        prefix = (
            next((head for head in key_prefixes(path) if head in self._prefixes), None)
            if _TOKEN.fullmatch(path)
            else None
        )
        if prefix is None or check_name(path) is not None:
            return None
        return None if prefix in self._impersonal and is_personal_name(path, prefix=prefix) else self._prefixes[prefix]


def _judge_each(held: Any, judge: Callable[[Any], Reason | None], run: DecisionContext) -> Reason | None:
    """Judge what an array or a list holds, and keep what may stay."""
    values = getattr(held, KEY)
    run.spend(len(values))
    reasons = [judge(one) for one in values]
    kept = [one for one, reason in zip(values, reasons, strict=True) if reason is None]
    for reason in filter(None, reasons):
        run.note((None, "[*]"), reason)
    if not kept:
        return FieldReason.NOTHING_ALLOWED
    if len(kept) < len(reasons):
        held.ClearField(KEY)
        getattr(held, KEY).extend(kept)
    return None


def _parts(array: Any) -> list[str]:
    """The strings and numbers of an array, as texts."""
    return [str(getattr(one, kind)) for one in getattr(array, KEY) if (kind := one.WhichOneof(KIND)) in _PARTS]


def _judged(message: Any, judges: ValueChecks, run: DecisionContext) -> bytes | Reason:
    """What is left of a pair once its value is judged."""
    reason = _judge(getattr(message, VALUE), judges, run)
    return _bytes(message) if reason is None else reason


def _judge(value: Any, judges: ValueChecks, run: DecisionContext) -> Reason | None:
    """Judge one value in place, that is no array and no list; the reason if it can't stay."""
    kind = value.WhichOneof(KIND)
    judge = judges.get(kind)
    if judge is None:
        return FieldReason.WRONG_KIND
    ruled = judge(getattr(value, kind), run)
    if isinstance(ruled, Reason):
        return ruled
    _put(value, kind, ruled, run)
    return None


def _put(message: Any, name: str, ruled: Any, run: DecisionContext) -> None:
    if ruled is not None:
        setattr(message, name, apply_result(getattr(message, name), ruled, run, None))


def _bytes(message: Any) -> bytes:
    payload: bytes = message.SerializePartialToString()
    return payload
