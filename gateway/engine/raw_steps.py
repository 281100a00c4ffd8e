"""Steps on raw messages, which are decided on as a whole: one, many, an event's properties.

The common case, that they are known, is kept short.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from google.protobuf.message import Message

from gateway.engine.apply_rule import RawMessage
from gateway.engine.attributes import PropertyRewrite
from gateway.engine.context import DecisionContext
from gateway.engine.message_cache import CachedResult, MessageCache, MessageResult
from gateway.engine.value_steps import Check, replace
from gateway.errors import ItemReason, Reason, Refused
from gateway.model import FieldPath
from gateway.plan import FieldPlan, Properties, has_value_echo
from gateway.protobuf.schema import attribute


class RawValue:
    """One raw message: the common case, that it is known and stays, is kept short."""

    __slots__ = ("_apply", "_cache", "_label", "_name")

    def __init__(self, field: FieldPlan, cache: MessageCache) -> None:
        self._name, self._label = attribute(field.number), field.name
        self._cache = cache
        self._apply = RawMessage(cache).apply

    def run(self, parsed: Message, context: DecisionContext, at: FieldPath) -> None:
        """Decide on the message, where there is one."""
        name = self._name
        value = getattr(parsed, name)
        if (value or parsed.HasField(name)) and self._cache.known(context).get(value) != value:
            there = (at, self._label)
            kept = self._apply(value, context, there)
            if kept is not value:
                replace(parsed, name, kept, context, there)


class RawValues:
    """Each of many raw messages: the common case, that all are known and stay, is kept short."""

    __slots__ = ("_cache", "_label", "_name")

    def __init__(self, field: FieldPlan, cache: MessageCache) -> None:
        self._name, self._label = attribute(field.number), f"{field.name}[*]"
        self._cache = cache

    def run(self, parsed: Message, context: DecisionContext, at: FieldPath) -> None:
        """Decide on each, and leave in the list those that stay."""
        cache, messages = self._cache, getattr(parsed, self._name)
        if not messages:
            return
        context.spend(len(messages))
        values = messages[:]
        results = [*map(cache.known(context).get, values)]
        if results != values:
            messages[:] = _kept(values, results, cache, context, (at, self._label))


class EventProperties:
    """Each property of an event, by the rules of its event, which a field beside them names."""

    __slots__ = ("_selector", "_steps")

    def __init__(self, field: FieldPlan, rule: Properties) -> None:
        self._selector = attribute(rule.selector)
        self._steps: Mapping[str, Check] = {
            event: RawValues(
                field, MessageCache(PropertyRewrite(rules).rewrite, echoes=has_value_echo(rules.values()))
            ).run
            for event, rules in rule.events.items()
        }

    def run(self, parsed: Message, context: DecisionContext, at: FieldPath) -> None:
        """Decide on each property. Raises Refused where the event isn't planned."""
        step = self._steps.get(getattr(parsed, self._selector, ""))
        if step is None:
            raise Refused(ItemReason.EVENT_NOT_PLANNED)
        step(parsed, context, at)


def _kept(
    values: Sequence[bytes],
    results: Sequence[MessageResult | None],
    cache: MessageCache,
    context: DecisionContext,
    at: FieldPath,
) -> list[bytes]:
    """What is kept of raw messages, of which some aren't known or don't stay."""
    if context.person is not None and None in results:
        results = cache.expect(values, results, context, context.person)
    kept: list[bytes] = []
    gone: list[Reason] = []
    for result in results:
        if isinstance(result, bytes):
            kept.append(result)
        elif isinstance(result, Reason):
            gone.append(result)
        else:
            return _kept_one_by_one(values, results, cache, context, at)
    for reason in gone:
        context.note(at, reason)
    return kept


def _kept_one_by_one(
    values: Sequence[bytes],
    results: Sequence[MessageResult | None],
    cache: MessageCache,
    context: DecisionContext,
    at: FieldPath,
) -> list[bytes]:
    """The same where some must be decided on, or something was stripped or masked inside them."""
    kept: list[bytes] = []
    stripped: dict[Reason, int] = {}
    for value, known in zip(values, results, strict=True):
        result = cache.decide(value, context, at) if known is None else known
        if isinstance(result, CachedResult):
            context.repeat(result.notes, at)
            result = result.kept
        if isinstance(result, bytes):
            kept.append(result)
        else:
            stripped[result] = stripped.get(result, 0) + 1
    for reason, count in stripped.items():
        context.note(at, reason, count=count)
    return kept
