"""What must hold of an exporter that sends over HTTP.

Its credentials are elsewhere, and its templates fit the vendor and the contract.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from google.protobuf.descriptor import Descriptor

from gateway.contracts.contract import Contract
from gateway.policy.document import ExporterSettings, Policy
from gateway.policy.http_exporters import HttpSettings, Secret, TemplateSettings, ZendeskSettings
from gateway.policy.template.markup import Markup
from gateway.policy.template.placeholders import (
    field_of,
    json_type_of,
    leaves,
    path_problems,
    syntax_problems,
    template_parts,
)
from gateway.policy.template.placement import placeholder_markups
from gateway.policy.vendors import BODY_SCHEMAS, UNCHECKED_BODY, BodySchema, ReservedKeys, body_problem
from gateway.yamlfile import Problem

MAP_NOT_ALLOWED: Final = "must not be a map, whose keys the vendor would take for its own; write them one by one"
ENV_OR_FILE: Final = "must say one of env and file"
OAUTH_OR_MAIL: Final = "must say oauth, or email and token"


def secrets(exporter: HttpSettings) -> Mapping[str, Secret]:
    """Where each of its credentials is, by its key."""
    named = {name: getattr(exporter, name) for name in exporter.__struct_fields__}
    return {name: given for name, given in named.items() if isinstance(given, Secret)}


def problems(keys: tuple[str, ...], exporter: ExporterSettings) -> Iterator[Problem]:
    """What can't be in the exporter that stands at `keys`, whatever the contract says."""
    if isinstance(exporter, HttpSettings):
        for name, given in secrets(exporter).items():
            if (given.env is None) == (given.file is None):
                yield (*keys, name), ENV_OR_FILE
    if isinstance(exporter, ZendeskSettings) and set(secrets(exporter)) not in ({"oauth"}, {"email", "token"}):
        yield keys, OAUTH_OR_MAIL
    if isinstance(exporter, TemplateSettings):
        yield from _problems_of_items((*keys, "items"), exporter)


def _problems_of_items(keys: tuple[str, ...], exporter: TemplateSettings) -> Iterator[Problem]:
    for name, template in exporter.items.items():
        if wrong := body_problem(str(exporter.__struct_config__.tag), template):
            yield (*keys, name, *wrong[0]), wrong[1]
        wrongly = list(syntax_problems(template)) or _unsafe_placeholders(
            template, BODY_SCHEMAS[str(exporter.__struct_config__.tag)]
        )
        yield from (((*keys, name, *at), text) for at, text in wrongly)


def _unsafe_placeholders(tree: Any, shape: BodySchema) -> Iterator[Problem]:
    """Placeholders that stand where a value could be markup, a program, a place to go to, or a name of what is expanded."""
    for keys, markup, text in _texts(tree, shape, Markup.NONE):
        try:
            placeholder_markups(template_parts(text), markup)
        except ValueError as error:
            yield keys, str(error)


def _texts(tree: Any, shape: BodySchema, markup: Markup) -> Iterator[tuple[tuple[str | int, ...], Markup, str]]:
    """The texts of a template, each with where it is and what is read there."""
    match tree:
        case Mapping():
            for field, value in tree.items():
                read = shape.markup_of(field) if field in shape.fields else markup
                inner = _texts(value, shape.nested.get(field, UNCHECKED_BODY), read)
                yield from (((field, *at), found, text) for at, found, text in inner)
        case tuple() | list():
            for index, entry in enumerate(tree):
                yield from (((index, *at), found, text) for at, found, text in _texts(entry, shape, markup))
        case str():
            yield (), markup, tree


def template_problems(
    exporter: ExporterSettings, type: str, contract: Contract, absent: Collection[str] = ()
) -> Iterator[Problem]:
    """What keeps items of a type from going to an exporter: the keys, from the exporter's, and why.

    `absent`: types of other contracts.
    """
    if not isinstance(exporter, TemplateSettings):
        return
    if type not in exporter.items:
        yield ("items",), f"has no entry for {type}, which a flow leads here"
    for name, template in exporter.items.items():
        if name in absent:
            continue
        if name not in contract.messages:
            yield ("items", name), "no contract has a message type of this name"
            continue
        message = contract.message(name)
        astray = list(path_problems(template, message)) or _value_kind_problems(
            template, BODY_SCHEMAS[str(exporter.__struct_config__.tag)], message
        )
        yield from ((("items", name, *at), text) for at, text in astray)


def reserved_key_problems(
    policy: Policy, exporter: ExporterSettings, planned: str, contract: Contract
) -> Iterator[Problem]:
    """The tracking plan's properties that an exporter would write in the place of a vendor's own.

    `planned` is the full name of the field that holds an event's properties. The exporter has no `misfits`.
    """
    if not isinstance(exporter, TemplateSettings):
        return
    kind = str(exporter.__struct_config__.tag)
    for name, template in exporter.items.items():
        if name not in contract.messages:
            continue
        message = contract.message(name)
        for field, reserved in BODY_SCHEMAS[kind].reserved.items():
            if _is_whole_field(template.get(field), planned, message):
                yield from (
                    (keys, f"is a key of {kind}'s own, which no item may write")
                    for keys in _reserved_properties(policy, reserved)
                )


def _reserved_properties(policy: Policy, reserved: ReservedKeys) -> Iterator[tuple[str, ...]]:
    for event, held in policy.tracking_plan.items():
        yield from (("tracking_plan", event, "properties", name) for name in held.properties if reserved.contains(name))


def _is_whole_field(leaf: Any, planned: str, message: Descriptor) -> bool:
    """Whether a part of a sound template is the whole of a field."""
    found = template_parts(leaf) if isinstance(leaf, str) else ()
    return len(found) == 1 and isinstance(found[0], tuple) and field_of(found[0], message).full_name == planned


def _value_kind_problems(tree: Mapping[str, Any], shape: BodySchema, message: Descriptor) -> Iterator[Problem]:
    """Where a vendor's field would get a value of another sort than it has."""
    for field, value in tree.items():
        sort, wanted = json_type_of(value, message), shape.fields[field]
        if sort not in wanted:
            yield (field,), f"must be {' or '.join(map(_with_article, wanted))}, and would be {_with_article(sort)}"
        elif field in shape.nested:
            yield from (((field, *at), text) for at, text in _value_kind_problems(value, shape.nested[field], message))
        elif "map" not in wanted:
            yield from (
                ((field, *at), MAP_NOT_ALLOWED) for at, leaf in leaves(value) if json_type_of(leaf, message) == "map"
            )


def _with_article(sort: str) -> str:
    return f"an {sort}" if sort == "object" else f"a {sort}"
