"""`explain`: what becomes of each field of a type, at one destination or many, as a tree."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from gateway.cli.explain_probes import print_probes
from gateway.cli.options import example, found_sources, output
from gateway.cli.output import COLOURS, console, print_json
from gateway.cli.sources import find_destination, find_type, load_compiler
from gateway.errors import Reason
from gateway.model import Category
from gateway.policy.compile import Compiler
from gateway.policy.document import Destination
from gateway.policy.flow_targets import flow_targets
from gateway.policy.review.explain import Node
from gateway.policy.review.explain import explain as tell

if TYPE_CHECKING:
    from rich.text import Text
    from rich.tree import Tree

Views = Mapping[str, Node]
"""One field, as each destination sees it."""


class FieldRecord(msgspec.Struct, frozen=True):
    """What becomes of a field at a destination.

    `above`: what is below it is shown where the field's type first stands.
    """

    path: str
    field: str
    type: str
    category: str
    verdict: str
    reason: Reason | None
    rule: str
    above: bool


class DestinationRecord(msgspec.Struct, frozen=True):
    """A destination, and what becomes of a type's fields there."""

    destination: str
    region: str
    recipient: str
    purpose: str
    gates: list[str]
    fields: list[FieldRecord]


@click.command(epilog=example("explain kannelle.crm.v1.Contact --destination crm"))
@click.argument("type_", metavar="TYPE")
@click.option("--destination", "names", multiple=True, metavar="NAME", help="Only there; may be given several times.")
@click.option("--probe", "probed", metavar="FIELD", help="Which invented names, numbers and addresses pass in it.")
@found_sources
@output
def explain(  # noqa: PLR0913, PLR0917 - as the options are
    type_: str, names: tuple[str, ...], probed: str | None, contracts: tuple[Path, ...], policy: Path | None, form: str
) -> int:
    """Show what of a message type is kept, where and why.

    TYPE is a message's full name, or a flow such as otlp/logs. Without --destination: the destinations that flows lead
    it to, or all if none does. FIELD is a path or a key as it is shown, such as user.workspace.workspace_id.
    """
    made, file = load_compiler(contracts, policy)
    item = find_type(made, type_)
    chosen = (
        [find_destination(made, file, name) for name in names]
        or _destinations_of(made, item)
        or list(made.policy.destinations)
    )
    views = {name: tell(made, item, name) for name in dict.fromkeys(chosen)}
    if probed is not None:
        return print_probes(item, probed, views, form)
    if form == "json":
        print_json(
            {"type": item, "destinations": [_destination_record(made, name, view) for name, view in views.items()]}
        )
    else:
        console(lines=False).print(_tree(made, item, views))
    return 0


def _destinations_of(made: Compiler, item: str) -> list[str]:
    return [destination for type_, destination in flow_targets(made) if type_ == item]


def _destination_record(made: Compiler, name: str, view: Node) -> DestinationRecord:
    given = made.policy.destinations[name]
    fields = [_field_record(path, node) for path, node in view.walk()]
    return DestinationRecord(name, given.region, given.recipient, given.purpose, sorted(given.gates), fields)


def _field_record(path: str, node: Node) -> FieldRecord:
    return FieldRecord(
        path=path,
        field=node.key,
        type=node.type,
        category=node.category.name,
        verdict="keep" if node.kept else "strip",
        reason=node.reason,
        rule=node.wording,
        above=node.shown_above,
    )


def _tree(made: Compiler, item: str, views: Views) -> Tree:
    from rich.text import Text  # noqa: PLC0415 JSON doesn't wait for it
    from rich.tree import Tree  # noqa: PLC0415

    places = ", ".join(f"{name} ({_place(made.policy.destinations[name])})" for name in views)
    root = Tree(Text.assemble((item, "bold"), f" at {places}"))
    _add_children(root, views, len(views))
    return root


def _place(given: Destination) -> str:
    """Who a destination is, and what must be known before it gets anything."""
    asked = f", only by the gate {' and '.join(sorted(given.gates))}" if given.gates else ""
    return f"{given.recipient} in {given.region}{asked}"


def _add_children(tree: Tree, views: Views, every: int) -> None:
    """Add what is below a field, each field once, with all who see it."""
    names = dict.fromkeys(child.name for view in views.values() for child in view.children)
    for name in names:
        below = {place: child for place, view in views.items() for child in view.children if child.name == name}
        _add_children(tree.add(_label(below, every)), below, every)


def _label(views: Views, every: int) -> Text:
    """A field in a line; where destinations differ, a line for each way they see it."""
    from rich.text import Text  # noqa: PLC0415 as above

    node = next(iter(views.values()))
    category = "" if node.category is Category.UNSPECIFIED else f"  {node.category.name}"
    text = Text.assemble((node.name, "bold"), (f"  {node.type}", "dim"), (category, "cyan"))
    groups: dict[tuple[bool, str], list[str]] = {}
    for place, view in views.items():
        groups.setdefault((view.kept, f"{view.wording}, as above" if view.shown_above else view.wording), []).append(
            place
        )
    alike = len(groups) == 1 and len(views) == every
    for (kept, words), places in groups.items():
        verdict = "kept" if kept else "stripped"
        text.append("  " if alike else "\n    ").append(verdict, COLOURS[verdict])
        text.append(f": {words}" if alike else f" at {', '.join(places)}: {words}")
    return text
