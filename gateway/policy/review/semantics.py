"""Stripped fields that change what a call means: masks of which little or nothing is left, members of a oneof.

Only what the plans of flows and routes say for certain. `lint.py` makes findings of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec
from google.protobuf.descriptor import Descriptor, OneofDescriptor

from gateway.plan import FieldPlan, Form, Mask, MessagePlan, Plan
from gateway.policy.compile import Compiler
from gateway.policy.flow_targets import contract_types, flow_targets
from gateway.policy.rules import SCALAR_KINDS
from gateway.policy.wording import shortlist

UNCLEAR_TEXT: Final = (
    "the contract doesn't tell which message it speaks of, so with paths it refuses the item: "
    "name it update_mask beside the resource, or read_mask in a method's request"
)


class SemanticChange(msgspec.Struct, frozen=True):
    """What becomes of a field, by full name. `code` is that of a finding."""

    code: str
    place: str
    text: str


def semantic_changes(compiler: Compiler) -> Iterator[SemanticChange]:
    """Yield all that there is to say of types that somebody here can change. Raises BadPolicy as the compiler does."""
    theirs = frozenset(contract_types(compiler.contract))
    for plan in _flows(compiler):
        yield from _mask_changes(plan, theirs)
    for plan in _requests(compiler):
        yield from _mask_changes(plan, theirs)
        yield from _partial_updates(plan, theirs)
        yield from _oneof_changes(compiler, plan, theirs)


def _flows(compiler: Compiler) -> Iterator[Plan]:
    for item, destination in flow_targets(compiler):
        missing = compiler.projector(item, destination).missing_required(compiler.contract.message(item))
        if not missing and not compiler.open_patterns(item, destination):
            yield compiler.plan(item, destination)


def _requests(compiler: Compiler) -> Iterator[Plan]:
    """The plans of what routes carry there, for each caller that an answer goes to."""
    for index, method in compiler.method_table.route_methods():
        route = compiler.policy.routes[index]
        for name, caller in route.callers.items():
            yield compiler.plan_for(
                method.request, compiler.terms(route.destination), reader=compiler.caller_terms(name, caller)
            )


def _masks_of(plan: Plan, theirs: frozenset[str]) -> Iterator[tuple[str, FieldPlan, Mask]]:
    """The masks of a plan, with their full names."""
    for message in plan.messages:
        for field in message.fields if message.name in theirs else ():
            if field.rule is not None and isinstance(rule := plan.rules[field.rule], Mask):
                yield field.name[1:-1] if field.name.startswith("[") else f"{message.name}.{field.name}", field, rule


def _mask_changes(plan: Plan, theirs: frozenset[str]) -> Iterator[SemanticChange]:
    for name, _, mask in _masks_of(plan, theirs):
        if not mask.of:
            yield SemanticChange("mask-unclear", name, UNCLEAR_TEXT)
        elif not any(plan.targets[target].fields for target in mask.targets):
            text = (
                f"no path of it may leave for {plan.destination}, since nothing of {mask.of} may: with paths it "
                "refuses the item"
            )
            yield SemanticChange("mask-empty", name, text)


def _partial_updates(plan: Plan, theirs: frozenset[str]) -> Iterator[SemanticChange]:
    """Without a mask, an update is of everything.

    See https://protobuf.dev/reference/protobuf/google.protobuf/#field-mask.
    """
    for name, _, mask in _masks_of(plan, theirs):
        if mask.beside and not all(plan.targets[target].whole for target in mask.targets):
            text = (
                f"{plan.destination} gets a part of {mask.of}: paths to the rest are cut off; a call without a mask "
                "could clear it there"
            )
            yield SemanticChange("update-partial", name, text)


def _oneof_changes(compiler: Compiler, plan: Plan, theirs: frozenset[str]) -> Iterator[SemanticChange]:
    for message in plan.messages:
        if message.name in theirs and message.form is Form.MESSAGE and message.name not in SCALAR_KINDS:
            for oneof in _real_oneofs(compiler.contract.message(message.name)):
                yield from _stripped_members(oneof, message, plan.destination)


def _real_oneofs(message: Descriptor) -> Iterator[OneofDescriptor]:
    """The oneofs in which something is chosen."""
    yield from (oneof for oneof in message.oneofs if len(oneof.fields) > 1)


def _stripped_members(oneof: OneofDescriptor, message: MessagePlan, destination: str) -> Iterator[SemanticChange]:
    """Where nothing of a oneof is left, its absence says no more than that of any field."""
    kept = {field.number for field in message.fields}
    lost = [field.name for field in oneof.fields if field.number not in kept]
    if 0 < len(lost) < len(oneof.fields):
        text = f"{destination} doesn't get {shortlist(lost)}: a call that sets one of them arrives with none set"
        yield SemanticChange("oneof-partial", f"{message.name}.{oneof.name}", text)
