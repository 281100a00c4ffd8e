"""The workspaces that items name: where, whether that leaves with them, and what a change makes of it."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.errors import Reason
from gateway.plan import FieldPlan, SubjectPlan
from gateway.policy.compile import Compiler
from gateway.policy.flow_targets import flow_targets
from gateway.policy.review.changes import Change, Effect
from gateway.policy.rules import rule_for


def workspace_changes(old: Compiler, new: Compiler) -> Iterator[Change]:
    """Yield the types whose workspace is read elsewhere.

    Another workspace's domains count, and its decision opens a gate: more may leave where a workspace was read before,
    or where there is a gate. Raises BadContract.
    """
    for item, destination in sorted({*flow_targets(old)} & {*flow_targets(new)}):
        was, now = (workspace_place(one.subject(item)) for one in (old, new))
        if was != now:
            gated = bool(new.policy.destinations[destination].gates)
            text = f"its workspace was {was or 'not named'}, and is now {now or 'not named'}"
            effect = Effect.RELEASED if now and (gated or was) else Effect.NOTED
            yield Change(effect, item, text, destination if gated else "", item)


def workspace_place(plan: SubjectPlan) -> str:
    """Where items of a type name their workspace, as a path of names; empty if nowhere."""
    if plan.workspace_attribute is not None:
        return f"attributes[{plan.workspace_attribute.key}]"
    return ".".join(field.name for _, field in _path(plan))


def leaves_with_workspace(compiler: Compiler, item: str, destination: str) -> bool:
    """Whether items of a type name a workspace, and still do once they are minimised. Raises BadContract."""
    plan, terms = compiler.subject(item), compiler.terms_for(item, compiler.terms(destination))
    if plan.workspace_attribute is not None:
        privacy = compiler.policy.otlp.privacy(plan.workspace_attribute.key)
        return not isinstance(rule_for("string", privacy, terms), Reason)
    projector = compiler.projector_for(item, terms)
    return bool(plan.workspace) and not any(
        isinstance(projector.ruling(one), Reason)
        for holder, field in _path(plan)
        for one in compiler.contract.fields(compiler.contract.message(holder))
        if one.number == field.number
    )


def _path(plan: SubjectPlan) -> Iterator[tuple[str, FieldPlan]]:
    """Yield the fields that lead to the workspace, each with the type that it is in."""
    index = 0
    for number in plan.workspace:
        message = plan.messages[index]
        (field,) = (one for one in message.fields if one.number == number)
        yield message.name, field
        index = field.message or 0
