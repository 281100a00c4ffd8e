"""What a vendor documents of the body of one item: its fields, their types, and which keys are the vendor's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from gateway.exporters.template.markup import Markup
from gateway.exporters.template.placeholders import TemplateValue
from gateway.yamlfile import Keys, Problem


class ReservedKeys(msgspec.Struct, frozen=True):
    """Keys of an object that the vendor gives a meaning of its own: no item may write one, whichever way it comes."""

    names: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()

    def contains(self, key: str) -> bool:
        """Whether a key is one of them."""
        return key in self.names or key.startswith(self.prefixes)


NO_RESERVED_KEYS: Final = ReservedKeys()


class BodySchema(msgspec.Struct, frozen=True):
    """An object's fields, and the JSON types of value that each may have.

    Those of `required` must be there, and not empty. `nested` are the schemas of fields that have one, `reserved` the
    keys that are within fields that have none. `markup` is what the vendor reads in texts, but for those of
    `markup_by_field`.
    """

    fields: Mapping[str, tuple[str, ...]]
    required: tuple[str, ...] = ()
    nested: Mapping[str, BodySchema] = {}
    reserved: Mapping[str, ReservedKeys] = {}
    markup: Markup = Markup.NONE
    markup_by_field: Mapping[str, Markup] = {}

    def markup_of(self, field: str) -> Markup:
        """What the vendor reads in the texts of a field."""
        return self.markup_by_field.get(field, self.markup)


UNCHECKED_BODY: Final = BodySchema({})
"""Of what the vendor doesn't look into."""


def json_types(**names: str) -> Mapping[str, tuple[str, ...]]:
    """The JSON types of each field, as a `BodySchema` has them.

    `json_types(text="subject status", time_number="time")` says that `subject` and `status` are texts, and that `time`
    is a time or a number.
    """
    return {name: tuple(types.split("_")) for types, listed in names.items() for name in listed.split()}


def body_problem(body: TemplateValue, schema: BodySchema, keys: Keys = ()) -> Problem | None:
    """Where, from `keys` on, and why a template isn't a body that the vendor takes; None if it is."""
    if not isinstance(body, Mapping):
        return keys, "must be a mapping of the vendor's fields to values"
    for field in body:
        if field not in schema.fields:
            return (*keys, field), f"is no field of the vendor's; known: {', '.join(sorted(schema.fields))}"
    for field in schema.required:
        if body.get(field, "") in ("", {}):
            return (*keys, field), "is required"
    found = (_problem_of_field(body[field], field, schema, (*keys, field)) for field in body)
    return next(filter(None, found), None)


def _problem_of_field(value: TemplateValue, field: str, schema: BodySchema, keys: Keys) -> Problem | None:
    if field in schema.nested:
        return body_problem(value, schema.nested[field], keys)
    if isinstance(value, Mapping):
        taken = sorted(filter(schema.reserved.get(field, NO_RESERVED_KEYS).contains, value))
        return ((*keys, taken[0]), "is not for a template to write") if taken else None
    return None
