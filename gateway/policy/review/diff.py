"""What a change of policy or contracts releases that was withheld, and the reverse.

Compared is what the two compile to: the plans of all flows and routes, field by field and rule by rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from gateway.errors import BadPolicy
from gateway.plan import EnvelopePlan, FieldPlan, Form, MethodPlan, Nested, Plan
from gateway.policy import named_patterns
from gateway.policy.compile import Compiler
from gateway.policy.document import Route
from gateway.policy.envelope import envelope_plan
from gateway.policy.flow_targets import contract_types, flow_targets
from gateway.policy.review.changes import Change, Difference, Effect
from gateway.policy.review.setting_changes import setting_changes
from gateway.policy.review.slot_changes import BothNames, FieldSlot, slot_changes
from gateway.policy.rules import SCALAR_KINDS, RecipientTerms


def diff(old: Compiler, new: Compiler) -> Difference:
    """Compare. Raises BadPolicy or BadContract if either doesn't compile."""
    was, now = _slots(old), _slots(new)
    named = BothNames(*named_patterns.names_before_and_after(old.full_policy.patterns, new.full_policy.patterns))
    fields = (
        Change(*said, destination, item)
        for item, destination in sorted({*was, *now}, key=lambda pair: pair[::-1])
        for said in slot_changes(was.get((item, destination), {}), now.get((item, destination), {}), named)
    )
    changes = tuple(dict.fromkeys((*setting_changes(old, new), *fields)))
    order = list(Effect)
    return Difference(tuple(sorted(changes, key=lambda change: order.index(change.effect))))


def _plans(compiler: Compiler) -> Mapping[tuple[str, str], Plan]:
    """The plans of all flows and routes."""
    plans = {pair: compiler.plan(*pair) for pair in flow_targets(compiler)}
    terms = _terms_of_routes(compiler)
    for item, name in _route_targets(compiler):
        try:
            plans[item, name] = compiler.plan_for(item, terms[name])
        except BadPolicy:
            continue
    return plans


def _route_targets(compiler: Compiler) -> Iterator[tuple[str, str]]:
    """Yield the types that routes carry, there and back, each with who gets them.

    A route without methods may carry any type that was brought, as far as it compiles.
    """
    carried: dict[int, list[MethodPlan]] = {}
    for index, method in compiler.method_table.route_methods():
        carried.setdefault(index, []).append(method)
    every = contract_types(compiler.contract)
    for index, route in enumerate(compiler.policy.routes):
        methods = carried.get(index, ())
        requests = [method.request for method in methods] if route.methods else every
        responses = [method.response for method in methods] if route.methods else every
        yield from ((item, route.destination) for item in requests)
        yield from ((item, _answers_name(route, caller)) for caller in route.callers for item in responses)


def _terms_of_routes(compiler: Compiler) -> Mapping[str, RecipientTerms]:
    """The destinations of routes and their callers.

    A caller of several routes of one authority gets what any of them lets it have.
    """
    ends = {route.destination: compiler.terms(route.destination) for route in compiler.policy.routes}
    for route in compiler.policy.routes:
        for caller, given in route.callers.items():
            terms, name = compiler.caller_terms(caller, given), _answers_name(route, caller)
            ends[name] = msgspec.structs.replace(terms, allow=terms.allow | ends[name].allow) if name in ends else terms
    return ends


def _answers_name(route: Route, caller: str) -> str:
    return f"routes.{route.authority} → {caller}"


def _slots(compiler: Compiler) -> Mapping[tuple[str, str], Mapping[str, FieldSlot]]:
    """What the plans let through, and under no type what goes with a route's calls beside their messages."""
    slots = {pair: dict(_all_slots(plan)) for pair, plan in _plans(compiler).items()}
    for route in compiler.policy.routes:
        to = compiler.policy.destinations[route.destination]
        slots["", route.destination] = dict(_metadata(envelope_plan(to.metadata, compiler.terms(route.destination))))
        for caller, given in route.callers.items():
            plan, pair = (
                envelope_plan(given.metadata, compiler.caller_terms(caller, given)),
                ("", _answers_name(route, caller)),
            )
            text = {} if plan.message is None else {"status message": FieldSlot("string", plan.message)}
            slots[pair] = {**slots.get(pair, {}), **dict(_metadata(plan)), **text}
    return slots


def _metadata(plan: EnvelopePlan) -> Iterator[tuple[str, FieldSlot]]:
    for section in ("keys", "baggage", "tracestate"):
        yield from (
            (f"metadata.{section}.{key}", FieldSlot("string", rule)) for key, rule in getattr(plan, section).items()
        )


def _all_slots(plan: Plan) -> Iterator[tuple[str, FieldSlot]]:
    """What a plan lets through, by the field's full name. A map's keys and values are two."""
    for message in plan.messages:
        if message.form is Form.MESSAGE and message.name not in SCALAR_KINDS:
            for field in message.fields:
                yield from _slots_of(field, f"{message.name}.", plan)
    for name in plan.anys:
        yield f"google.protobuf.Any({name})", FieldSlot(name)


def _slots_of(field: FieldPlan, owner: str, plan: Plan) -> Iterator[tuple[str, FieldSlot]]:
    name = field.name[1:-1] if field.name.startswith("[") else owner + field.name
    entry = None if field.message is None else plan.messages[field.message]
    if entry is None or entry.form is not Form.MAP_ENTRY:
        yield name, _slot(field, plan)
    else:
        yield from ((f"{name}[{part.name}]", _slot(part, plan)) for part in entry.fields)


def _slot(field: FieldPlan, plan: Plan) -> FieldSlot:
    rule = None if field.rule is None else plan.rules[field.rule]
    index = rule.message if isinstance(rule, Nested) else field.message
    kind = field.kind if index is None else plan.messages[index].name
    return FieldSlot(kind, None if isinstance(rule, Nested) else rule, frozenset(field.enum or ()))
