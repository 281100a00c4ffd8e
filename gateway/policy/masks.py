"""Field masks: which message a mask speaks of, and what of that message its paths may name.

By AIP-134 (https://google.aip.dev/134) an `update_mask` speaks of the resource beside it, by AIP-157
(https://google.aip.dev/157) a `read_mask` of the answer. What becomes of the paths of one item is for the engine.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, cached_property
from typing import Final, Protocol

import msgspec
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor

from gateway.contracts.contract import Contract, message_of
from gateway.errors import Reason
from gateway.plan import MaskField, MaskTarget, Rule
from gateway.policy.fields import is_map, message_of_values
from gateway.policy.rules import kind_of_message

UPDATE_MASK: Final = "update_mask"
READ_MASK: Final = "read_mask"

_REQUEST_SUFFIX: Final = "Request"
_VERB: Final = re.compile(r"[A-Z][a-z0-9]*")
_WORD_BOUNDARY: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def nested_message(field: FieldDescriptor) -> Descriptor | None:
    """The message type below a field, of those whose fields carry their own categories."""
    message = message_of_values(field)
    return message if message is not None and kind_of_message(message) == "message" else None


MaskKey = tuple[str, str]
"""What masks that speak of the same have alike.

The full name of the message that holds them; `read_mask`, `update_mask` or nothing.
"""


class MaskResource(msgspec.Struct, frozen=True):
    """What a mask speaks of: `types`, in any of which a path may begin.

    The fields `beside` it that hold one, none of an answer.
    """

    key: MaskKey
    types: tuple[Descriptor, ...]
    beside: tuple[FieldDescriptor, ...] = ()


class MaskResources:
    """What the masks of one contract speak of."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self.by_key: Callable[[MaskKey], MaskResource | None] = cache(self._resource_of)

    def of(self, field: FieldDescriptor) -> MaskResource | None:
        """What one mask speaks of; None where it can't be told, as of lists and maps of masks, and of extensions."""
        message = field.containing_type
        if field.is_repeated or field.is_extension or message is None or message.GetOptions().map_entry:
            return None
        return self.by_key((message.full_name, field.name if field.name in (READ_MASK, UPDATE_MASK) else ""))

    def _resource_of(self, key: MaskKey) -> MaskResource | None:
        message = self._contract.message(key[0])
        return self._answer(key, message) if key[1] == READ_MASK else self._beside(key, message)

    def _answer(self, key: MaskKey, request: Descriptor) -> MaskResource | None:
        """The answer of the methods that take a request, and what it lists.

        A list's mask speaks of each resource in it.
        """
        answers = {
            method.output_type.full_name: method.output_type for method in self._methods.get(request.full_name, ())
        }
        if len(answers) != 1 or (answer := message_with_fields(*answers.values())) is None:
            return None
        lists = [
            below
            for field in answer.fields
            if field.is_repeated and not is_map(field) and (below := nested_message(field)) is not None
        ]
        return MaskResource(key, (answer, *(lists if len(lists) == 1 else ())))

    def _beside(self, key: MaskKey, message: Descriptor) -> MaskResource | None:
        """The resource that message or method are named after; else the only one, if the mask can't mean the answer."""
        holding = [field for field in self._contract.fields(message) if nested_message(field) is not None]
        methods = self._methods.get(message.full_name, ())
        resources = {
            _resource(message.name.removesuffix(_REQUEST_SUFFIX)),
            *(_resource(method.name) for method in methods),
        } - {""}
        fields = {_WORD_BOUNDARY.sub("_", name).lower() for name in resources}
        named = [field for field in holding if field.name in fields or message_of(field).name in resources]
        return _one(key, named or (holding if key[1] == UPDATE_MASK or not methods else []))

    @cached_property
    def _methods(self) -> Mapping[str, Sequence[MethodDescriptor]]:
        """The methods that take a message type, by its full name."""
        found: dict[str, list[MethodDescriptor]] = {}
        for file in self._contract.files.values():
            for service in file.service:
                name = f"{file.package}.{service.name}".lstrip(".")
                for method in self._contract.pool.FindServiceByName(name).methods:
                    found.setdefault(method.input_type.full_name, []).append(method)
        return found


def message_with_fields(message: Descriptor) -> Descriptor | None:
    """A message type, if its fields carry their own categories."""
    return message if kind_of_message(message) == "message" else None


def _resource(name: str) -> str:
    """What follows the verb: `UpdateCustomer` is about a `Customer`."""
    return _VERB.sub("", name, count=1) if _VERB.match(name) else ""


def _one(key: MaskKey, fields: Sequence[FieldDescriptor]) -> MaskResource | None:
    """The one type that fields hold.

    Several fields may: the members of a oneof. What a map holds isn't spoken of by fixed names.
    """
    types = {message.full_name: message for field in fields if (message := nested_message(field)) is not None}
    return (
        MaskResource(key, tuple(types.values()), tuple(fields))
        if len(types) == 1 and not any(map(is_map, fields))
        else None
    )


class FieldRulings(Protocol):
    """What may leave of a contract's types, as the projector knows it."""

    contract: Contract

    def ruling(self, field: FieldDescriptor) -> Rule | Reason | None:
        """The ruling on a field."""
        ...

    def is_whole(self, field: FieldDescriptor) -> bool:
        """Whether nothing in a field is stripped by plan."""
        ...


class MaskTargets:
    """What the masks of one plan may name, as its tables; indices in order of first mention."""

    def __init__(self) -> None:
        self.finished: list[MaskTarget] = []
        self._indices: dict[tuple[int, str], int] = {}
        self._pending: list[tuple[FieldRulings, Descriptor]] = []

    def add(self, kept: FieldRulings, message: Descriptor) -> int:
        """The index of a message type, as `kept` has it."""
        index = self._index_of(kept, message)
        while len(self.finished) < len(self._pending):
            self.finished.append(self._target(*self._pending[len(self.finished)]))
        return index

    def _index_of(self, kept: FieldRulings, message: Descriptor) -> int:
        key = (id(kept), message.full_name)
        if key not in self._indices:
            self._indices[key] = len(self._pending)
            self._pending.append((kept, message))
        return self._indices[key]

    def _target(self, kept: FieldRulings, message: Descriptor) -> MaskTarget:
        whole = all(map(kept.is_whole, kept.contract.fields(message)))
        return MaskTarget(tuple(self._fields(kept, message)), whole)

    def _fields(self, kept: FieldRulings, message: Descriptor) -> Iterator[MaskField]:
        """An extension has no name in a path."""
        for field in sorted(message.fields, key=lambda field: field.number):
            if isinstance(kept.ruling(field), Reason):
                continue
            below = nested_message(field)
            index = None if below is None else self._index_of(kept, below)
            yield MaskField(field.name, field.number, field.is_repeated, kept.is_whole(field), index)
