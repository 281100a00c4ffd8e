"""Whom a message is about: which fields say it, found by the classification, nearest to the root."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.contracts.contract import Contract, message_of
from gateway.errors import BadContract
from gateway.model import Category, FieldPrivacy
from gateway.plan import FieldPlan, MessagePlan, Presence, SubjectPlan
from gateway.policy.project import WIRE_TYPES

Path = tuple[FieldDescriptor, ...]

MAX_SUBJECT_LEVELS: Final = 100
"""How deep a subject is looked for: the runtime reads no message that is deeper."""

MAX_EQUAL_PATHS: Final = 3
"""How many paths of one level are followed into one type.

Their number doubles with each level where a type has two fields of the next.
"""

MAX_REPORTED_PATHS: Final = 6


def subject_plan(contract: Contract, classifications: Mapping[str, FieldPrivacy], type: str) -> SubjectPlan:
    """Return where the subject of a message type stands: the fields on the way to it, and their numbers.

    Raises BadContract if several equally shallow fields could be it and none is marked. With `owner_id` and `user_id`
    classified as USER_ID:

        message Comment { string text = 1; Author author = 2; Video video = 3; }
        message Author { string user_id = 1; }      message Video { Author author = 1; string owner_id = 2; }
        level 1: text                               no user ID
        level 2: author.user_id, video.owner_id     two that could be it: BadContract, unless one of the four fields
                                                    `author`, `user_id`, `video` and `owner_id` is marked
        level 3: not looked at; `video.author` wouldn't be entered again: `Author` was met on a higher level
    """
    finder = _SubjectFinder(contract, classifications)
    root = contract.message(type)
    user_id, work_email = (finder.find(root, category) for category in (Category.USER_ID, Category.WORK_EMAIL))
    messages: list[MessagePlan] = []
    _project(root.full_name, [path for path in (user_id, work_email) if path], messages)
    return SubjectPlan(type, tuple(messages), _numbers(user_id), _numbers(work_email))


def _numbers(path: Path) -> tuple[int, ...]:
    return tuple(field.number for field in path)


class _SubjectFinder:
    """Finds the shallowest field of a category, or the marked one where several are."""

    def __init__(self, contract: Contract, classifications: Mapping[str, FieldPrivacy]) -> None:
        self._contract = contract
        self._classifications = classifications

    def find(self, root: Descriptor, category: Category) -> Path:
        """The path to it; empty if there is none. A mark may stand at any field of the path. Raises BadContract."""
        for level in self._levels(root):
            found = [path for path in level if self._privacy(path[-1]).category is category]
            found = [path for path in found if self._is_marked(path)] or found
            if len(found) > 1:
                names = " and ".join(".".join(field.name for field in path) for path in found[:MAX_REPORTED_PATHS])
                raise BadContract(f"{root.full_name}: {names} could be the subject; mark one with `subject`")
            if found:
                return found[0]
        return ()

    def _levels(self, root: Descriptor) -> Iterator[list[Path]]:
        """The paths to the single strings of a type, level by level; a type met on a higher level isn't entered again.

        Of many paths to one type on one level, a few stand for all, with a mark and without: they are enough to tell
        that there are several.
        """
        seen = {root.full_name}
        level: list[Path] = [(field,) for field in self._contract.fields(root)]
        for _ in range(MAX_SUBJECT_LEVELS):
            yield [path for path in level if path[-1].type == FieldDescriptor.TYPE_STRING and not path[-1].is_repeated]
            below = [
                path for path in level if _is_single_message(path[-1]) and message_of(path[-1]).full_name not in seen
            ]
            seen |= {message_of(path[-1]).full_name for path in below}
            level = [
                (*path, field)
                for path in self._first_of_each_type(below)
                for field in self._contract.fields(message_of(path[-1]))
            ]

    def _first_of_each_type(self, paths: Iterable[Path]) -> Iterator[Path]:
        """Yield the first few paths of each type, with a mark and without."""
        counts: Counter[tuple[str, bool]] = Counter()
        for path in paths:
            kind = message_of(path[-1]).full_name, self._is_marked(path)
            counts[kind] += 1
            if counts[kind] <= MAX_EQUAL_PATHS:
                yield path

    def _is_marked(self, path: Path) -> bool:
        return any(self._privacy(field).subject for field in path)

    def _privacy(self, field: FieldDescriptor) -> FieldPrivacy:
        return self._classifications.get(field.full_name, FieldPrivacy())


def _is_single_message(field: FieldDescriptor) -> bool:
    return field.message_type is not None and not field.is_repeated


def _project(name: str, paths: Sequence[Path], messages: list[MessagePlan]) -> int:
    """Add a message that holds the heads of `paths` and, below it, their tails; return its index."""
    index = len(messages)
    messages.append(MessagePlan(name, ()))
    heads = groupby(sorted(paths, key=lambda path: path[0].number), key=lambda path: path[0])
    messages[index] = MessagePlan(
        name, tuple(_field(head, [path[1:] for path in group if path[1:]], messages) for head, group in heads)
    )
    return index


def _field(field: FieldDescriptor, tails: Sequence[Path], messages: list[MessagePlan]) -> FieldPlan:
    message = _project(message_of(field).full_name, tails, messages) if tails else None
    return FieldPlan(field.number, field.name, WIRE_TYPES[field.type], Presence.EXPLICIT, message=message)
