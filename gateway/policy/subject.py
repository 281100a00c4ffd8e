"""Whom a message is about, and in which workspace: the fields that say it, by classification, nearest to the root."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

import msgspec
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.contracts.contract import Contract, message_of
from gateway.errors import BadContract
from gateway.model import Category, FieldPrivacy
from gateway.plan import SubjectPlan
from gateway.policy.field_paths import Path, numbers, project_paths

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
    root = contract.message(type)
    user_id, work_email, workspace = (
        _SubjectFinder(contract, classifications, sought).find(root) for sought in (_USER_ID, _WORK_EMAIL, _WORKSPACE)
    )
    messages = project_paths(root, [path for path in (user_id, work_email, workspace) if path])
    return SubjectPlan(type, messages, numbers(user_id), numbers(work_email), workspace=numbers(workspace))


class _Sought(msgspec.Struct, frozen=True):
    """What is looked for: which strings could be it, which fields are marked, and what to do where several could."""

    is_candidate: Callable[[FieldPrivacy], bool]
    is_mark: Callable[[FieldDescriptor, FieldPrivacy], bool]
    ambiguity: str


def _subject_of(category: Category) -> _Sought:
    """Marked by `subject`, at any field of the path."""
    return _Sought(
        lambda privacy: privacy.category is category,
        lambda _, privacy: privacy.subject,
        "could be the subject; mark one with `subject`",
    )


_USER_ID: Final = _subject_of(Category.USER_ID)
_WORK_EMAIL: Final = _subject_of(Category.WORK_EMAIL)
_WORKSPACE: Final = _Sought(
    lambda privacy: privacy.workspace and privacy.category is Category.OPERATIONAL,
    lambda field, privacy: privacy.workspace and field.message_type is not None,
    "could be the workspace; mark the message that leads to one with `workspace`, or take the mark from all but one",
)


class _SubjectFinder:
    """Finds the shallowest field of those that could be it, or the marked one where several could."""

    def __init__(self, contract: Contract, classifications: Mapping[str, FieldPrivacy], sought: _Sought) -> None:
        self._contract = contract
        self._classifications = classifications
        self._sought = sought

    def find(self, root: Descriptor) -> Path:
        """The path to it; empty if there is none. A mark may stand at any field of the path. Raises BadContract."""
        for level in self._levels(root):
            found = [path for path in level if self._sought.is_candidate(self._privacy(path[-1]))]
            found = [path for path in found if self._is_marked(path)] or found
            if len(found) > 1:
                names = " and ".join(".".join(field.name for field in path) for path in found[:MAX_REPORTED_PATHS])
                raise BadContract(f"{root.file.name}: {root.full_name}: {names} {self._sought.ambiguity}")
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
            if not level:
                return

    def _first_of_each_type(self, paths: Iterable[Path]) -> Iterator[Path]:
        """Yield the first few paths of each type, with a mark and without."""
        counts: Counter[tuple[str, bool]] = Counter()
        for path in paths:
            kind = message_of(path[-1]).full_name, self._is_marked(path)
            counts[kind] += 1
            if counts[kind] <= MAX_EQUAL_PATHS:
                yield path

    def _is_marked(self, path: Path) -> bool:
        return any(self._sought.is_mark(field, self._privacy(field)) for field in path)

    def _privacy(self, field: FieldDescriptor) -> FieldPrivacy:
        return self._classifications.get(field.full_name, FieldPrivacy())


def _is_single_message(field: FieldDescriptor) -> bool:
    return field.message_type is not None and not field.is_repeated
