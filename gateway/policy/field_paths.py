"""Paths of fields from a message type to what stands below it, and the projection that holds nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.contracts.contract import message_of
from gateway.plan import FieldPlan, MessagePlan, Presence
from gateway.policy.project import WIRE_TYPES

Path = tuple[FieldDescriptor, ...]


def numbers(path: Path) -> tuple[int, ...]:
    """The numbers of a path's fields."""
    return tuple(field.number for field in path)


def project_paths(
    root: Descriptor, paths: Sequence[Path], kinds: Mapping[int, str] = WIRE_TYPES
) -> tuple[MessagePlan, ...]:
    """The messages that hold the fields of `paths` alone; `kinds` are those that the last of each are read as."""
    messages: list[MessagePlan] = []
    _project(root.full_name, paths, kinds, messages)
    return tuple(messages)


def _project(name: str, paths: Sequence[Path], kinds: Mapping[int, str], messages: list[MessagePlan]) -> int:
    """Add a message that holds the heads of `paths` and, below it, their tails; return its index."""
    index = len(messages)
    messages.append(MessagePlan(name, ()))
    heads = groupby(sorted(paths, key=lambda path: path[0].number), key=lambda path: path[0])
    fields = (_field(head, [path[1:] for path in group if path[1:]], kinds, messages) for head, group in heads)
    messages[index] = MessagePlan(name, tuple(fields))
    return index


def _field(
    field: FieldDescriptor, tails: Sequence[Path], kinds: Mapping[int, str], messages: list[MessagePlan]
) -> FieldPlan:
    presence = Presence.EXPANDED if field.is_repeated else Presence.EXPLICIT
    if not tails:
        return FieldPlan(field.number, field.name, kinds[field.type], presence)
    below = _project(message_of(field).full_name, tails, kinds, messages)
    return FieldPlan(field.number, field.name, WIRE_TYPES[field.type], presence, message=below)
