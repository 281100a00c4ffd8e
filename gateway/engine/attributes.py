"""Values whose rule depends on a key beside them: OTLP attributes and bodies, the properties of events.

Each is handled as raw bytes with a small schema of its own, in which kinds that are never kept don't exist.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Final

import msgspec
from google.protobuf.message import Message

from gateway.detectors.personal_names import is_personal_name
from gateway.engine.apply_rule import apply_result
from gateway.engine.arrays import check_joined, sought_of
from gateway.engine.context import DecisionContext, RuleResult
from gateway.engine.names import check_name
from gateway.engine.rules import ContextRule, VerdictCache, check_of, context_rule_of
from gateway.errors import FieldReason, Reason
from gateway.model import Detector
from gateway.patterns import TOKEN, compile_pattern
from gateway.plan import Attributes, Body, FieldPlan, MessagePlan, Presence, Scalar, Value
from gateway.protobuf.schema import attribute, build, parse

_IMPLICIT, _EXPLICIT, _EXPANDED = Presence.IMPLICIT, Presence.EXPLICIT, Presence.EXPANDED


def _kinds(*kinds: str) -> tuple[FieldPlan, ...]:
    return tuple(FieldPlan(number, kind, kind, _EXPLICIT, oneof="kind") for number, kind in enumerate(kinds, 1))


def _pair(value: int) -> tuple[FieldPlan, ...]:
    return (FieldPlan(1, "key", "string", _IMPLICIT), FieldPlan(2, "value", "message", _EXPLICIT, message=value))


def attribute_messages(*other_kinds: FieldPlan) -> tuple[MessagePlan, ...]:
    """OTLP's `KeyValue`, `AnyValue` and the lists of both (opentelemetry/proto/common/v1/common.proto).

    Without string table indices; what has no place among values' kinds isn't read.
    """
    return (
        MessagePlan("KeyValue", _pair(1)),
        MessagePlan(
            "AnyValue",
            (
                *_kinds("string", "bool", "int64", "double"),
                FieldPlan(5, "array", "message", _EXPLICIT, "kind", 2),
                FieldPlan(6, "list", "message", _EXPLICIT, "kind", 3),
                *other_kinds,
            ),
        ),
        MessagePlan("ArrayValue", (FieldPlan(1, "values", "message", _EXPANDED, message=1),)),
        MessagePlan("KeyValueList", (FieldPlan(1, "values", "message", _EXPANDED, message=0),)),
    )


KEY_VALUE, ANY_VALUE, _ARRAY, _LIST = build(attribute_messages())
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
"""The check of each kind of value, by its field's name."""

_TOKEN = compile_pattern(TOKEN)


class KeyValueRewrite:
    """Minimises a `KeyValue`."""

    __slots__ = ("_check",)

    def __init__(self, rule: Attributes) -> None:
        self._check = _KeyChecks(rule).check

    def rewrite(self, raw: bytes, context: DecisionContext) -> bytes | Reason:
        """Return what is left of a serialised one. Raises Refused, PersonalAccount."""
        message = parse(KEY_VALUE, raw)
        reason = self._check(message, "", context)
        return _serialised(message) if reason is None else reason


class KeyReject:
    """Rejects a `KeyValue` by its key, without parsing it.

    One that isn't listed and leads to none that is, or is listed and may not leave. A second key further on can't make
    it better: it is rejected too.
    """

    __slots__ = ("_closed", "_known", "_prefixes", "_reasons")

    def __init__(self, rule: Attributes) -> None:
        listed = (*rule.exact, *rule.prefixes)
        self._closed = frozenset(key.encode() for key, value in rule.exact.items() if value == Value())
        self._known = frozenset(key.encode() for key in listed) | {
            head.encode() for key in listed for head in key_prefixes(key)
        }
        self._prefixes = tuple(prefix.encode() for prefix in rule.prefixes)
        self._reasons = VerdictCache(self._reason_of_key)

    def reason(self, raw: bytes) -> Reason | None:
        """Return why a serialised one goes; None where more than its key must be looked at."""
        if len(raw) < 2 or raw[0] != KEY_TAG or raw[1] > 127:
            return None
        return self._reasons[raw[2 : 2 + raw[1]]]

    def _reason_of_key(self, key: bytes) -> Reason | None:
        if key in self._closed:
            return FieldReason.CATEGORY_NOT_ALLOWED
        return None if key in self._known or key.startswith(self._prefixes) else FieldReason.UNCLASSIFIED


class PropertyRewrite:
    """Minimises an entry of one event's properties."""

    __slots__ = ("_checks",)

    def __init__(self, rules: Mapping[str, Value]) -> None:
        self._checks = {key: _property_checks(value) for key, value in rules.items()}

    def rewrite(self, raw: bytes, context: DecisionContext) -> bytes | Reason:
        """Return what is left of a serialised one. Raises Refused, PersonalAccount."""
        message = parse(PROPERTY, raw)
        checks = self._checks.get(getattr(message, KEY))
        if checks is None:
            return FieldReason.NOT_LISTED
        reason = _check_value(getattr(message, VALUE), checks, context)
        return _serialised(message) if reason is None else reason


class BodyRewrite:
    """Minimises a log body, an `AnyValue`: only strings and key-value lists pass."""

    __slots__ = ("_keys", "_templates")

    def __init__(self, rule: Body) -> None:
        self._templates = frozenset(rule.templates)
        self._keys = _KeyChecks(rule.attributes)

    def rewrite(self, raw: bytes, context: DecisionContext) -> bytes | Reason:
        """Return what is left of a serialised one. Raises Refused, PersonalAccount."""
        message = parse(ANY_VALUE, raw)
        kind = message.WhichOneof(KIND)
        if kind == LIST:
            reason = self._keys.check_list(getattr(message, LIST), "", context)
            return _serialised(message) if reason is None else reason
        if kind != KEY:
            return FieldReason.WRONG_KIND
        return _serialised(message) if getattr(message, KEY) in self._templates else FieldReason.NOT_LISTED


class _KeyRule(msgspec.Struct, frozen=True):
    """How the values of a key are checked; without checks none may leave.

    `sought` must not show where an array's elements are joined.
    """

    checks: ValueChecks
    sought: tuple[Detector, ...]


def _key_rule(value: Value) -> _KeyRule:
    return _KeyRule(_checks(value.string, value.boolean, value.integer, value.double), sought_of(value.string))


def _property_checks(value: Value) -> ValueChecks:
    return _checks(value.string, value.integer, value.double, value.boolean)


def _checks(*rules: Scalar | None) -> ValueChecks:
    """The checks of each kind of value, in the order of their fields; none at all where no kind may leave."""
    if not any(rules):
        return {}
    return {
        attribute(number): None if rule is None else context_rule_of(rule, check_of(rule))
        for number, rule in enumerate(rules, 1)
    }


def key_prefixes(key: str) -> Iterator[str]:
    """Yield what a key begins with, up to each of its dots, the longest first: `a.b.c` gives `a.b` and `a`."""
    return (key[:index] for index in range(len(key) - 1, -1, -1) if key[index] == ".")


class _KeyChecks:
    """Checks keys with their values, in place, by one set of rules; the keys of nested lists by their path."""

    def __init__(self, rule: Attributes) -> None:
        key_rule = cache(_key_rule)  # most of a policy's keys have one of a few rules, and share what it remembers
        self._exact = {key: key_rule(value) for key, value in rule.exact.items()}
        self._prefixes = {prefix.removesuffix("."): key_rule(value) for prefix, value in rule.prefixes.items()}
        self._impersonal = frozenset(prefix.removesuffix(".") for prefix in rule.impersonal)
        self._leading = frozenset(head for key in (*rule.exact, *rule.prefixes) for head in key_prefixes(key))
        self._by_prefix = VerdictCache(self._rule_by_prefix)

    def check(self, pair: Message, above: str, context: DecisionContext) -> Reason | None:
        """Check a `KeyValue` below a path; the reason if it can't stay."""
        path = above + getattr(pair, KEY)
        rule = self._exact[path] if path in self._exact else self._by_prefix[path]
        if rule is None:
            return self._check_leading(getattr(pair, VALUE), path, context)
        return (
            self._check_value(getattr(pair, VALUE), rule, path, context)
            if rule.checks
            else FieldReason.CATEGORY_NOT_ALLOWED
        )

    def check_list(self, pairs: Message, above: str, context: DecisionContext) -> Reason | None:
        """Check the entries of a key-value list one by one."""
        values = _values(pairs, context)
        return _keep(pairs, values, [self.check(pair, above, context) for pair in values], context)

    def _check_leading(self, value: Message, path: str, context: DecisionContext) -> Reason | None:
        """Check what stands at a path that isn't listed itself: only a list that leads to one that is."""
        leads = path in self._leading and value.WhichOneof(KIND) == LIST
        return self.check_list(getattr(value, LIST), f"{path}.", context) if leads else FieldReason.UNCLASSIFIED

    def _check_value(self, value: Message, rule: _KeyRule, path: str, context: DecisionContext) -> Reason | None:
        if value.WhichOneof(KIND) != ARRAY:
            return self._check_element(value, rule.checks, path, context)
        array = getattr(value, ARRAY)
        elements = _values(array, context)
        reasons = [self._check_element(element, rule.checks, path, context) for element in elements]
        return _keep(array, elements, reasons, context) or check_joined(_parts(array), rule.sought)

    def _check_element(
        self, element: Message, checks: ValueChecks, path: str, context: DecisionContext
    ) -> Reason | None:
        """Check what is no array. A key that is listed has no list for its value, unless longer ones are listed too."""
        if element.WhichOneof(KIND) != LIST:
            return _check_value(element, checks, context)
        if path in self._exact and path not in self._leading:
            return FieldReason.WRONG_KIND
        return self.check_list(getattr(element, LIST), f"{path}.", context)

    def _rule_by_prefix(self, path: str) -> _KeyRule | None:
        """The rule of the longest prefix of a path.

        A path that isn't listed itself must look like a key, and be a name that can stay; under some prefixes, one that
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


def _values(holder: Message, context: DecisionContext) -> Sequence[Message]:
    """What an array or a list holds. Raises Refused where it is too much."""
    values: Sequence[Message] = getattr(holder, KEY)
    context.spend(len(values))
    return values


def _keep(
    holder: Message, values: Sequence[Message], reasons: Sequence[Reason | None], context: DecisionContext
) -> Reason | None:
    """Keep in an array or a list what has no reason to go; the reason if nothing stays."""
    kept = [one for one, reason in zip(values, reasons, strict=True) if reason is None]
    for reason in filter(None, reasons):
        context.note((None, "[*]"), reason)
    if not kept:
        return FieldReason.NOTHING_ALLOWED
    if len(kept) < len(reasons):
        holder.ClearField(KEY)
        getattr(holder, KEY).extend(kept)
    return None


def _parts(array: Message) -> list[str]:
    """The strings and numbers of an array, as texts."""
    return [str(getattr(one, kind)) for one in getattr(array, KEY) if (kind := one.WhichOneof(KIND)) in _PARTS]


def _check_value(value: Message, checks: ValueChecks, context: DecisionContext) -> Reason | None:
    """Check one value in place, that is no array and no list; the reason if it can't stay."""
    kind = value.WhichOneof(KIND)
    check = None if kind is None else checks.get(kind)
    if kind is None or check is None:
        return FieldReason.WRONG_KIND
    result = check(getattr(value, kind), context)
    if isinstance(result, Reason):
        return result
    _put(value, kind, result, context)
    return None


def _put(message: Message, name: str, result: RuleResult, context: DecisionContext) -> None:
    if result is not None:
        setattr(message, name, apply_result(getattr(message, name), result, context, None))


def _serialised(message: Message) -> bytes:
    return message.SerializePartialToString()
