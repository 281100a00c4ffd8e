"""What a change of policy says of an exporter: where it sends to, and what goes into which of the vendor's fields."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.exporters.jsonl.settings import JsonlSettings
from gateway.exporters.null.settings import NullSettings
from gateway.exporters.registry import ExporterSettings
from gateway.exporters.settings import Template, TemplateSettings
from gateway.exporters.template.placeholders import leaves, template_parts
from gateway.policy.review.changes import Change, Effect
from gateway.policy.wording import list_change, printable


def exporter_changes(key: str, was: ExporterSettings, now: ExporterSettings, moved: Change) -> Iterator[Change]:
    """Yield what changed of the exporter at `key`; `moved` is the change that another target would be."""
    if _target(was) != _target(now):
        effect = Effect.NOTED if isinstance(now, NullSettings) else moved.effect
        yield Change(effect, key, f"was: {_target(was)}; now: {_target(now)}", moved.destination)
    elif isinstance(was, TemplateSettings) and isinstance(now, TemplateSettings):
        yield from _template_changes(key, was, now, moved)
    elif was != now:
        yield Change(Effect.NOTED, key, "changed", moved.destination)


def _template_changes(key: str, was: TemplateSettings, now: TemplateSettings, moved: Change) -> Iterator[Change]:
    """What changed of an exporter that sends where it sent.

    What goes into which of the vendor's fields, and the rest.
    """
    for name in sorted({*was.items, *now.items}):
        old, new = ({} if one.items.get(name) is None else dict(_placements(one.items[name])) for one in (was, now))
        gained, lost = (sorted(at for at in one if other.get(at) != one[at]) for one, other in ((new, old), (old, new)))
        if gained or lost:
            effect = moved.effect if gained else Effect.WITHHELD
            yield Change(effect, f"{key}.items.{name}", list_change(gained, lost), moved.destination, name)
    for field in was.__struct_fields__:
        if field != "items" and getattr(was, field) != getattr(now, field):
            yield Change(Effect.NOTED, f"{key}.{field}", "changed", moved.destination)


def _placements(template: Template) -> Iterator[tuple[str, object]]:
    """What a template writes where.

    `requester.email: user.work_email`, or of what is no placeholder, the place and what stands there.
    """
    for keys, leaf in leaves(template):
        at = ".".join(map(str, keys))
        places = (
            [".".join(part) for part in template_parts(leaf) if isinstance(part, tuple)]
            if isinstance(leaf, str)
            else []
        )
        yield f"{at}: {' and '.join(places)}" if places else at, leaf


def _target(exporter: ExporterSettings) -> str:
    """Where an exporter writes to."""
    match exporter:
        case JsonlSettings():
            return f"jsonl to {'its own file' if exporter.path is None else printable(exporter.path)}"
        case NullSettings():
            return "null"
    return f"{exporter.kind} to {printable(exporter.endpoint)}"
