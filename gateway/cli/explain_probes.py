"""`explain --probe`: which person probes pass in one field, at each destination."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import click
import msgspec

from gateway.cli.output import print_json
from gateway.model import Category
from gateway.plan import Text, UserId
from gateway.policy.person_probes import ProbeCount, probe_counts
from gateway.policy.review.explain import Node


class ProbesAtDestination(msgspec.Struct, frozen=True):
    """Which probes pass in a field at a destination.

    `tried`: whether any was. None is where the field is stripped, or holds no text of a pattern, a list or an
    identifier.
    """

    destination: str
    verdict: str
    rule: str
    tried: bool
    probes: tuple[ProbeCount, ...]


def print_probes(item: str, field: str, views: Mapping[str, Node], form: str) -> int:
    """Print which probes pass in a field. Raises BadParameter where no destination's view has it."""
    found = [_at(name, node) for name, view in views.items() if (node := _node(view, field)) is not None]
    if not found:
        raise click.BadParameter(f"{item} has no field {field}; `explain {item}` shows them", param_hint="--probe")
    if form == "json":
        print_json({"type": item, "field": field, "destinations": found})
    else:
        click.echo("\n".join(line for one in found for line in _lines(one)))
    return 0


def _node(view: Node, field: str) -> Node | None:
    return next((node for path, node in view.walk() if field in (path, node.key)), None)


def _at(name: str, node: Node) -> ProbesAtDestination:
    verdict = "keep" if node.kept else "strip"
    judged = node.category in (Category.OPERATIONAL, Category.USER_ID)
    if not node.kept or not judged or not isinstance(node.rule, (Text, UserId)):
        return ProbesAtDestination(name, verdict, node.wording, tried=False, probes=())
    return ProbesAtDestination(name, verdict, node.wording, tried=True, probes=probe_counts(node.rule))


def _lines(found: ProbesAtDestination) -> Iterator[str]:
    if found.verdict == "strip":
        yield f"{found.destination}: stripped: {found.rule}"
        return
    yield f"{found.destination}: kept: {found.rule}"
    if not found.tried:
        yield "  no probe was tried: it is no text that a pattern, a list or an identifier's form decides on"
    yield from (f"  {_line(count)}" for count in found.probes)


def _line(count: ProbeCount) -> str:
    such = f", such as {count.example}" if count.passing else ""
    return f"{count.kind}: {count.passing} of {count.total} pass{such}"
