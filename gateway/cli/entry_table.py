"""How `outbox` and `deadletters` print what an outbox holds.

Sizes, paths and reasons; values only where they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from gateway import rfc3339
from gateway.cli.output import console, plural
from gateway.delivery.outbox.admin import Deletion, QueueStats
from gateway.delivery.outbox.file import NANOS
from gateway.delivery.outbox.stored_entry import StoredEntry

if TYPE_CHECKING:
    from rich.table import Table

_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))

_FIXED: Final[Mapping[int, int]] = {
    FieldDescriptor.TYPE_BOOL: 1,
    FieldDescriptor.TYPE_DOUBLE: 8,
    FieldDescriptor.TYPE_FIXED64: 8,
    FieldDescriptor.TYPE_SFIXED64: 8,
    FieldDescriptor.TYPE_FLOAT: 4,
    FieldDescriptor.TYPE_FIXED32: 4,
    FieldDescriptor.TYPE_SFIXED32: 4,
}
_ZIGZAG: Final = (FieldDescriptor.TYPE_SINT32, FieldDescriptor.TYPE_SINT64)


class Size(msgspec.Struct, frozen=True):
    """A field of a message: its path, with `[*]` for list indices and map keys, how many values, and their bytes as protobuf has them."""

    path: str
    count: int
    bytes: int


# As text.


def print_status(queues: Sequence[QueueStats], swept: Sequence[Deletion], aside: Sequence[str], now_ns: int) -> None:
    """What waits, by destination; what was taken away of late; what was set aside."""
    table = _table("destination", ">items", ">bytes", ">oldest", ">dead letters", ">their bytes")
    for lot in queues:
        oldest = age(now_ns - lot.oldest_ns) if lot.items else "-"
        table.add_row(lot.destination, *_numbers(lot.items, lot.bytes), oldest, *_numbers(lot.dead, lot.dead_bytes))
    out = console(lines=False)
    out.print(table)
    if swept:
        out.print("\nTaken away undelivered, the latest first:")
        records = _table("at", "destination", "reason", ">how many")
        for one in swept:
            records.add_row(moment(one.at_ns), one.destination, one.reason, *_numbers(one.count))
        out.print(records)
    for name in aside:
        out.print(f"\nSet aside, for it was damaged: {name}")


def print_items(found: Sequence[StoredEntry], *, more: bool, now_ns: int) -> None:
    """Items, a line each."""
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


def print_dead(found: Sequence[StoredEntry], *, more: bool) -> None:
    """Dead letters, a line each."""
    table = _table(">id", "destination", "type", ">bytes", "received", ">attempts", "dead since", "reason")
    for one in found:
        times = moment(one.received_ns), str(one.attempts), moment(one.dead_at_ns)
        table.add_row(str(one.id), one.destination, _type(one), *_numbers(one.bytes), *times, one.reason)
    _print(table, found, "dead letter", more=more)


def print_entry(told: Mapping[str, Any]) -> None:
    """Everything about one of them."""
    out = console()
    for name, value in told.items():
        if name not in ("fields", "message"):
            out.print(f"{name.replace('_', ' '):<12}{value}")
    fields = _table("field", ">values", ">bytes")
    for field in told["fields"]:
        fields.add_row(field.path, *_numbers(field.count, field.bytes))
    out.print()
    out.print(fields)
    if "message" in told:
        click.echo("\n" + msgspec.json.format(msgspec.json.encode(told["message"]), indent=2).decode())


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


def _type(held: StoredEntry) -> str:
    return held.type if held.intact else "(damaged)"


# As JSON.


def entry_record(held: StoredEntry, message: Message | None, *, values: bool) -> dict[str, Any]:
    """Everything about one: `fields` are sizes, and none where there is no message.

    `message` is there for whoever wants values.
    """
    told = {**plain(held), "fields": [] if message is None else sizes(message)}
    if values and message is not None:
        pool = message.DESCRIPTOR.file.pool
        told["message"] = json_format.MessageToDict(message, descriptor_pool=pool)  # type: ignore[arg-type]  # types-protobuf: upb's pool
    return told


def queue_record(one: QueueStats) -> dict[str, Any]:
    """What is kept for a destination; `oldest` is null where nothing waits."""
    told = msgspec.structs.asdict(one)
    oldest_ns = told.pop("oldest_ns")
    return {**told, "oldest": rfc3339.from_ns(oldest_ns) if oldest_ns else None}


def deletion_record(one: Deletion) -> dict[str, Any]:
    """A record of what was taken away undelivered."""
    return {"at": rfc3339.from_ns(one.at_ns), "destination": one.destination, "reason": one.reason, "count": one.count}


def plain(held: StoredEntry) -> dict[str, Any]:
    """What is known of one, with times as people and JSON have them; what doesn't apply is left out."""
    told = {
        "id": held.id,
        "destination": held.destination,
        "type": held.type,
        "bytes": held.bytes,
        "received": rfc3339.from_ns(held.received_ns),
        "attempts": held.attempts,
        "due": rfc3339.from_ns(held.next_attempt_at_ns) if held.next_attempt_at_ns else None,
        "dead_since": rfc3339.from_ns(held.dead_at_ns) if held.reason else None,
        "reason": held.reason or None,
        "damaged": None if held.intact else True,
        "key": held.key,
        "plan": held.plan,
    }
    return {name: value for name, value in told.items() if value is not None}


def sizes(message: Message) -> list[Size]:
    """The fields of a message that hold something, in the order of their paths."""
    found: dict[str, list[int]] = {}
    for path, size in _leaves(message, ""):
        found.setdefault(path, []).append(size)
    return [Size(path, len(each), sum(each)) for path, each in sorted(found.items())]


def _leaves(message: Message, above: str) -> Iterator[tuple[str, int]]:
    for field, held in message.ListFields():
        path = f"{above}{field.name}"
        entry = field.message_type
        if entry is not None and entry.GetOptions().map_entry:
            keys, values = entry.fields_by_name["key"], entry.fields_by_name["value"]
            for key in held:
                yield f"{path}[*] (key)", _size(keys, key)
                yield from _below(values, held[key], f"{path}[*]")
        elif field.is_repeated:
            for value in held:
                yield from _below(field, value, f"{path}[*]")
        else:
            yield from _below(field, held, path)


def _below(field: FieldDescriptor, value: Any, path: str) -> Iterator[tuple[str, int]]:
    if isinstance(value, Message):
        yield from _leaves(value, f"{path}.")
    else:
        yield path, _size(field, value)


def _size(field: FieldDescriptor, value: Any) -> int:
    """https://protobuf.dev/programming-guides/encoding/."""
    if isinstance(value, str | bytes):
        return len(value if isinstance(value, bytes) else value.encode(errors="surrogatepass"))
    if field.type in _FIXED:
        return _FIXED[field.type]
    number = int(value)
    if field.type in _ZIGZAG:
        number = number * 2 if number >= 0 else -number * 2 - 1
    return max(1, -(-(number % 2**64).bit_length() // 7))


def moment(time_ns: int) -> str:
    """A time in UTC, to the second: `2026-01-02T03:04:05Z`."""
    return rfc3339.from_ns(time_ns // NANOS * NANOS)


def age(span_ns: int) -> str:
    """A span in its largest unit: `3 d`, `5 min`."""
    seconds = max(0, span_ns // NANOS)
    length, unit = next((one for one in _UNITS if seconds >= one[0]), _UNITS[-1])
    return f"{seconds // length} {unit}"
