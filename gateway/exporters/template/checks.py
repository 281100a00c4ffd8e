"""What can't be in a template: for the vendor that gets its body, and for the messages that fill it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from google.protobuf.descriptor import Descriptor

from gateway.exporters.template.body_schema import UNCHECKED_BODY, BodySchema, body_problem
from gateway.exporters.template.markup import Markup
from gateway.exporters.template.placeholders import (
    TemplateValue,
    field_of,
    json_type_of,
    leaves,
    path_problems,
    syntax_problems,
    template_parts,
)
from gateway.exporters.template.placement import placeholder_markups
from gateway.yamlfile import Keys, Problem

MAP_NOT_ALLOWED: Final = "must not be a map, whose keys the vendor would take for its own; write them one by one"


def vendor_problems(template: Mapping[str, TemplateValue], schema: BodySchema) -> Iterator[Problem]:
    """What the vendor wouldn't take, or would read as something else, whatever the contract says."""
    wrong = body_problem(template, schema)
    if wrong is not None:
        yield wrong
    yield from list(syntax_problems(template)) or _unsafe_placeholders(template, schema)


def _unsafe_placeholders(tree: TemplateValue, schema: BodySchema) -> Iterator[Problem]:
    """Placeholders where a value could be markup, a program, a place to go to, or a name of what is expanded."""
    for keys, markup, text in _texts(tree, schema, Markup.NONE):
        try:
            placeholder_markups(template_parts(text), markup)
        except ValueError as error:
            yield keys, str(error)


def _texts(tree: TemplateValue, schema: BodySchema, markup: Markup) -> Iterator[tuple[Keys, Markup, str]]:
    """The texts of a template, each with where it is and what is read there."""
    match tree:
        case Mapping():
            for field, value in tree.items():
                read = schema.markup_of(field) if field in schema.fields else markup
                inner = _texts(value, schema.nested.get(field, UNCHECKED_BODY), read)
                yield from (((field, *at), found, text) for at, found, text in inner)
        case tuple() | list():
            for index, entry in enumerate(tree):
                yield from (((index, *at), found, text) for at, found, text in _texts(entry, schema, markup))
        case str():
            yield (), markup, tree


def message_problems(
    template: Mapping[str, TemplateValue], schema: BodySchema, message: Descriptor
) -> Iterator[Problem]:
    """Where a message of this type would fill nothing, or give a field another JSON type than the vendor's has."""
    yield from list(path_problems(template, message)) or _json_type_problems(template, schema, message)


def _json_type_problems(
    tree: Mapping[str, TemplateValue], schema: BodySchema, message: Descriptor
) -> Iterator[Problem]:
    for field, value in tree.items():
        type_, wanted = json_type_of(value, message), schema.fields[field]
        if type_ not in wanted:
            yield (field,), f"must be {' or '.join(map(_with_article, wanted))}, and would be {_with_article(type_)}"
        elif isinstance(value, Mapping) and field in schema.nested:
            inner = _json_type_problems(value, schema.nested[field], message)
            yield from (((field, *at), text) for at, text in inner)
        elif "map" not in wanted:
            yield from (
                ((field, *at), MAP_NOT_ALLOWED) for at, leaf in leaves(value) if json_type_of(leaf, message) == "map"
            )


def _with_article(type: str) -> str:
    return f"an {type}" if type == "object" else f"a {type}"


def is_whole_field(value: TemplateValue | None, full_name: str, message: Descriptor) -> bool:
    """Whether a part of a sound template is the whole of the field of this name."""
    found = template_parts(value) if isinstance(value, str) else ()
    return len(found) == 1 and isinstance(found[0], tuple) and field_of(found[0], message).full_name == full_name
