"""The full receipt of one item: every field that it holds, and what became of it. Paths and reasons, never a value.

What was kept is read off the release itself, so that a receipt can't say otherwise than what left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import groupby
from typing import Any, Final

import msgspec
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

from gateway.engine.masks import PATHS
from gateway.errors import FieldReason, ItemReason, Reason, Refused
from gateway.model import FieldVerdict, Stripped, Verdict, Withheld
from gateway.plan import Nested
from gateway.policy.fields import is_map, path_label, value_field
from gateway.policy.projector import Projector, Ruling
from gateway.policy.rules import kind_of
from gateway.protobuf.any_message import ANY, type_name

MAX_RECEIPT_ITEM_BYTES: Final = 131_072
"""Bytes of an item that should have a receipt while others wait.

Each field that nobody knows is an object, all made in one call.
"""

MAX_MESSAGES: Final = 100_000
"""Messages in one item that are looked at."""

MAX_PATH_CHARS: Final = 1 << 20
"""Characters that the paths of one receipt may have together."""

REST: Final = "*"
"""In a path: whatever else a message holds."""

Below = tuple[Message, str]
"""A message in the item, and how the paths of its fields start."""


class FieldLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of `count` values at one path.

    `reason` is set where they were stripped or masked, or something shows in what stayed.
    """

    path: str
    verdict: FieldVerdict
    reason: Reason | None = None
    count: int = 1


def receipt(projector: Projector, raw: bytes, verdict: Verdict) -> tuple[FieldLine, ...]:
    """The lines of one item, `raw`, and what was decided on it for the projector's destination.

    None for a withheld item.

    Raises Refused for an item of more messages or paths than a receipt can hold.
    """
    if isinstance(verdict, Withheld):
        return ()
    sent, left = _FieldCounter(projector), _FieldCounter(projector)
    if not sent.take(verdict.type, raw):
        sent.count(REST, 1, ItemReason.MALFORMED)
    left.take(verdict.type, verdict.payload)
    notes = {path: tuple(group) for path, group in groupby(sorted(verdict.stripped, key=_path), key=_path)}
    paths = dict.fromkeys((*sent.present, *left.present, *notes))
    return tuple(line for path in paths for line in _lines(path, sent, left.present[path], notes))


def _path(note: Stripped) -> str:
    return note.path


def _lines(path: str, sent: _FieldCounter, left: int, notes: Mapping[str, Sequence[Stripped]]) -> Iterator[FieldLine]:
    """Count the values at one path.

    Those that left, those of them in which something shows, masked ones, and stripped ones by reason.
    """
    here = notes.get(path, ())
    noted = {
        verdict: Counter({note.reason: note.count for note in here if note.verdict is verdict})
        for verdict in FieldVerdict
    }
    reasons = sent.reasons.get(path, Counter()) + noted[FieldVerdict.STRIP]
    told = noted[FieldVerdict.KEEP].total() + noted[FieldVerdict.MASK].total()
    lost = sent.present[path] - left - reasons.total()
    if lost > 0:
        reasons[_above(path, notes)] += lost
    if left > told:
        yield FieldLine(path, FieldVerdict.KEEP, count=left - told)
    for verdict in (FieldVerdict.KEEP, FieldVerdict.MASK):
        yield from (FieldLine(path, verdict, reason, count) for reason, count in noted[verdict].items())
    yield from (FieldLine(path, FieldVerdict.STRIP, reason, count) for reason, count in reasons.items())


def _above(path: str, notes: Mapping[str, Sequence[Stripped]]) -> Reason:
    """Why what holds a value was stripped.

    Values that aren't below such a one went under in the merging of duplicates.
    """
    heads = (path[:dot] for dot in range(len(path), 0, -1) if path[dot : dot + 1] == ".")
    stripped = (note.reason for head in heads for note in notes.get(head, ()) if note.verdict is FieldVerdict.STRIP)
    return next(stripped, FieldReason.UNKNOWN_FIELD)


class _FieldCounter:
    """Counts the values of a message by path; of those that a ruling strips, the reason."""

    def __init__(self, projector: Projector) -> None:
        self.present: Counter[str] = Counter()
        self.reasons: dict[str, Counter[Reason]] = {}
        self._projector = projector
        self._contract = projector.contract
        self._messages = MAX_MESSAGES
        self._text = MAX_PATH_CHARS

    def take(self, type: str, raw: bytes) -> bool:
        """Count a serialised message of type `type`; false if it is none. Raises Refused."""
        message = self._parse(type, raw)
        if message is None:
            return False
        walks = [self._message(message, "")]
        while walks:
            below = next(walks[-1], None)
            if below is None:
                walks.pop()
            else:
                walks.append(self._message(*below))
        return True

    def count(self, path: str, number: int, ruling: Ruling = None) -> None:
        """Count values at a path, as stripped if the ruling is a reason."""
        if path not in self.present:
            self._text -= len(path)
        if self._text < 0:
            raise Refused(ItemReason.TOO_MANY_ITEMS)
        self.present[path] += number
        if isinstance(ruling, Reason):
            self.reasons.setdefault(path, Counter())[ruling] += number

    def _parse(self, type: str, raw: bytes) -> Message | None:
        try:
            return self._contract.message_class(type).FromString(raw)
        except DecodeError:
            return None

    def _message(self, message: Message, prefix: str) -> Iterator[Below]:
        """Count a message's own values; yield the messages in it, each with the start of its paths."""
        self._messages -= 1
        if self._messages < 0:
            raise Refused(ItemReason.TOO_MANY_ITEMS)
        if len(UnknownFieldSet(message)):
            self.count(prefix + REST, 1, FieldReason.UNKNOWN_FIELD)
        for field, value in message.ListFields():
            yield from self._field(field, value, prefix + path_label(field))

    def _field(self, field: FieldDescriptor, value: Any, path: str) -> Iterator[Below]:
        ruling = self._projector.ruling(field)
        many = value.values() if is_map(field) else value if field.is_repeated else (value,)
        kind = kind_of(value_field(field))
        if kind == "enum" and not isinstance(ruling, Reason):
            self._enum(value_field(field), many, path)
        elif kind == "message" and (
            ruling is None or ruling is FieldReason.NOTHING_ALLOWED or isinstance(ruling, Nested)
        ):
            yield from self._open(many, path, ruling)
        elif kind == "mask":
            self._masks(many, path)
        elif kind == "any" and not isinstance(ruling, Reason):
            for held in many:
                yield from self._any(held, path)
        else:
            self.count(path, len(many), ruling)

    def _enum(self, field: FieldDescriptor, many: Collection[int], path: str) -> None:
        known = field.enum_type.values_by_number  # type: ignore[union-attr]  # it is an enum
        listed = sum(number in known for number in many)
        self.count(path, listed)
        if listed < len(many):
            self.count(path, len(many) - listed, FieldReason.UNKNOWN_ENUM_VALUE)

    def _masks(self, many: Iterable[Any], path: str) -> None:
        """A mask's values are its paths; one without any is a value of its own."""
        for mask in many:
            if len(UnknownFieldSet(mask)):
                self.count(f"{path}.{REST}", 1, FieldReason.UNKNOWN_FIELD)
            self.count(f"{path}.{PATHS}" if mask.paths else path, len(mask.paths) or 1)

    def _open(self, many: Iterable[Message], path: str, ruling: Ruling) -> Iterator[Below]:
        """A message that holds nothing is a value of its own."""
        for message in many:
            if message.ListFields() or len(UnknownFieldSet(message)):
                yield message, f"{path}."
            else:
                self.count(path, 1, ruling)

    def _any(self, held: Any, path: str) -> Iterator[Below]:
        """What an `Any` holds is part of it; one whose payload can't be carried is a value of its own."""
        name, raw = type_name(held.type_url), held.value
        while name == ANY and (inner := self._parse(ANY, raw)) is not None:
            name, raw = type_name(inner.type_url), inner.value  # type: ignore[attr-defined]  # an Any
        message = self._parse(name, raw) if name in self._carriable else None
        if message is None:
            self.count(path, 1)
        else:
            yield from self._open([message], path, None)

    @cached_property
    def _carriable(self) -> frozenset[str]:
        return frozenset(message.full_name for message in self._projector.any_payloads())
