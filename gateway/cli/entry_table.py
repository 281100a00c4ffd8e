"""How `outbox` and `deadletters` print what an outbox holds.

Sizes, paths and reasons; values only where they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import click
import msgspec
from google.protobuf.message import Message

from gateway import rfc3339
from gateway.cli.message_sizes import Size, sizes
from gateway.cli.output import console, plural
from gateway.delivery.outbox.admin import Deletion, QueueStats
from gateway.delivery.outbox.interface import NANOS_PER_SECOND
from gateway.delivery.outbox.stored_entry import StoredEntry
from gateway.exporters.proto_json import proto_json

if TYPE_CHECKING:
    from rich.table import Table

_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


# As text.


def print_status(
    queues: Sequence[QueueStats], deletions: Sequence[Deletion], quarantined: Sequence[str], now_ns: int
) -> None:
    """Print what waits, by destination; what was deleted of late; which files were quarantined."""
    table = _table("destination", ">items", ">bytes", ">oldest", ">dead letters", ">their bytes")
    for queue in queues:
        oldest = age(now_ns - queue.oldest_ns) if queue.items else "-"
        counts = *_numbers(queue.items, queue.bytes), oldest, *_numbers(queue.dead, queue.dead_bytes)
        table.add_row(queue.destination, *counts)
    out = console(lines=False)
    out.print(table)
    if deletions:
        out.print("\nDeleted undelivered, the latest first:")
        records = _table("at", "destination", "reason", ">how many")
        for one in deletions:
            records.add_row(moment(one.at_ns), one.destination, one.reason, *_numbers(one.count))
        out.print(records)
    for name in quarantined:
        out.print(f"\nQuarantined, for it was damaged: {name}")


def print_items(found: Sequence[StoredEntry], *, more: bool, now_ns: int) -> None:
    """Print items, a line each."""
    table = _table(">id", "destination", "type", ">bytes", "received", ">attempts", "due")
    for one in found:
        due = "now" if one.next_attempt_at_ns <= now_ns else moment(one.next_attempt_at_ns)
        table.add_row(
            str(one.id),
            one.destination,
            _type(one),
            *_numbers(one.bytes),
            moment(one.received_ns),
            str(one.attempts),
            due,
        )
    _print(table, found, "item", more=more)


def print_dead_letters(found: Sequence[StoredEntry], *, more: bool) -> None:
    """Print dead letters, a line each."""
    table = _table(">id", "destination", "type", ">bytes", "received", ">attempts", "dead since", "reason")
    for one in found:
        times = moment(one.received_ns), str(one.attempts), moment(one.dead_at_ns)
        table.add_row(str(one.id), one.destination, _type(one), *_numbers(one.bytes), *times, one.reason)
    _print(table, found, "dead letter", more=more)


def _table(*columns: str) -> Table:
    from rich.table import Table  # noqa: PLC0415 JSON doesn't wait for it

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for column in columns:
        table.add_column(
            column.removeprefix(">"), justify="right" if column.startswith(">") else "left", overflow="fold"
        )
    return table


def _print(table: Table, found: Sequence[StoredEntry], noun: str, *, more: bool) -> None:
    out = console(lines=False)
    if found:
        out.print(table)
    click.echo(f"{plural(len(found), noun)}{'; there are more, see --limit' if more else ''}", err=True)


def _numbers(*values: int) -> Iterator[str]:
    return (f"{value:,}" for value in values)


def _type(entry: StoredEntry) -> str:
    return entry.type if entry.intact else "(damaged)"


# As JSON.


class EntryDetails(msgspec.Struct, frozen=True):
    """Everything about one entry: `fields` are sizes, none where there is no message; `values` for whoever asks."""

    entry: StoredEntry
    fields: Sequence[Size]
    values: object = None

    @classmethod
    def of(cls, entry: StoredEntry, message: Message | None, *, values: bool) -> EntryDetails:
        """Return the details of an entry, and of its message if that can be read."""
        if message is None:
            return cls(entry, [])
        return cls(entry, sizes(message), proto_json(message) if values else None)

    def record(self) -> Mapping[str, object]:
        """Return it for JSON; `message` is there only where values were asked for."""
        record = {**entry_summary(self.entry), "fields": self.fields}
        return record if self.values is None else {**record, "message": self.values}

    def print(self) -> None:
        """Print it as text."""
        out = console()
        for name, value in entry_summary(self.entry).items():
            out.print(f"{name.replace('_', ' '):<18}{value}")
        fields = _table("field", ">values", ">bytes")
        for field in self.fields:
            fields.add_row(field.path, *_numbers(field.count, field.bytes))
        out.print()
        out.print(fields)
        if self.values is not None:
            click.echo("\n" + msgspec.json.format(msgspec.json.encode(self.values), indent=2).decode())


def queue_record(queue: QueueStats) -> Mapping[str, object]:
    """Return what is kept for a destination, for JSON; `oldest` is null where nothing waits."""
    return {
        "destination": queue.destination,
        "items": queue.items,
        "bytes": queue.bytes,
        "dead_letters": queue.dead,
        "dead_letters_bytes": queue.dead_bytes,
        "oldest": rfc3339.from_ns(queue.oldest_ns) if queue.oldest_ns else None,
    }


def deletion_record(one: Deletion) -> Mapping[str, object]:
    """Return a record of what was deleted undelivered, for JSON."""
    return {"at": rfc3339.from_ns(one.at_ns), "destination": one.destination, "reason": one.reason, "count": one.count}


def entry_summary(entry: StoredEntry) -> Mapping[str, object]:
    """Return what is known of an entry, with times as people and JSON have them; what doesn't apply is left out."""
    summary = {
        "id": entry.id,
        "destination": entry.destination,
        "type": entry.type,
        "bytes": entry.bytes,
        "received_at": rfc3339.from_ns(entry.received_ns),
        "attempts": entry.attempts,
        "next_attempt_at": rfc3339.from_ns(entry.next_attempt_at_ns) if entry.next_attempt_at_ns else None,
        "dead_lettered_at": rfc3339.from_ns(entry.dead_at_ns) if entry.reason else None,
        "reason": entry.reason or None,
        "damaged": None if entry.intact else True,
        "key": entry.key,
        "plan": entry.plan,
    }
    return {name: value for name, value in summary.items() if value is not None}


def moment(time_ns: int) -> str:
    """Return a time in UTC, to the second: `2026-01-02T03:04:05Z`."""
    return rfc3339.from_ns(time_ns // NANOS_PER_SECOND * NANOS_PER_SECOND)


def age(span_ns: int) -> str:
    """Return a span in its largest unit: `3 d`, `5 min`."""
    seconds = max(0, span_ns // NANOS_PER_SECOND)
    length, unit = next((one for one in _UNITS if seconds >= one[0]), _UNITS[-1])
    return f"{seconds // length} {unit}"
