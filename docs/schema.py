"""JSON Schema, draft 2020-12, of a struct as YAML has it, for editors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from enum import Enum, IntEnum
from pathlib import Path
from types import NoneType
from typing import Any, Final, Literal, get_args, get_origin

import msgspec

from docs.fields import Struct, docstrings, reachable_structs, split_annotated, summary, union_members
from gateway.yamlfile import SECONDS
from gateway.yamlfile.durations import PATTERN

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
SCALAR_SCHEMAS: Final[Mapping[Any, Mapping[str, Any]]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
    float: {"type": "number"},
    Path: {"type": "string"},
    NoneType: {"type": "null"},
    Any: {"type": ["object", "array", "string", "number", "boolean"]},
}


def text(root: Struct, title: str) -> str:
    """The schema's file."""
    structs = {struct.__name__: _struct(struct) for struct in reachable_structs(root)}
    whole = {"$schema": DRAFT, "title": title, **structs.pop(root.__name__), "$defs": structs}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def _struct(struct: Struct) -> dict[str, Any]:
    """A mapping: no other keys than those that are known."""
    told, config = docstrings(struct), struct.__struct_config__
    fields = msgspec.structs.fields(struct)
    properties = {info.encode_name: {**_of(info.type), "description": told[info.name]} for info in fields}
    required = [info.encode_name for info in fields if info.required]
    if config.tag_field:
        # YAML's null is the kind of that name too.
        tag = {"enum": ["null", None]} if config.tag == "null" else {"const": config.tag}
        properties = {config.tag_field: {**tag, "description": "Of which kind it is."}, **properties}
        required = [config.tag_field, *required]
    held = {"description": summary(struct), "type": "object", "properties": properties, "additionalProperties": False}
    return {**held, "required": required} if required else held


def _of(type_: Any) -> dict[str, Any]:
    base, metas = split_annotated(type_)
    if base is timedelta or SECONDS in metas:
        return _duration(
            positive=base is timedelta
            or any(isinstance(meta, msgspec.Meta) and not _takes_zero(meta) for meta in metas)
        )
    if len(union_members(base)) > 1:
        return {"anyOf": [_of(option) for option in union_members(base)]}
    schema = _plain(base)
    for meta in metas:
        if isinstance(meta, msgspec.Meta):
            schema = {**schema, **_bounds(meta)}
    return schema


def _plain(type_: Any) -> dict[str, Any]:
    if type_ in SCALAR_SCHEMAS:
        return dict(SCALAR_SCHEMAS[type_])
    form, inner = get_origin(type_), get_args(type_)
    if form is Literal:
        return {"enum": list(inner)}
    if form is not None and issubclass(form, Mapping):
        return {"type": "object", "propertyNames": _of(inner[0]), "additionalProperties": _of(inner[1])}
    if form is not None:
        return {"type": "array", "items": _of(inner[0]), **({"uniqueItems": True} if form is frozenset else {})}
    if issubclass(type_, Enum):
        return {"enum": [*type_.__members__] if issubclass(type_, IntEnum) else [member.value for member in type_]}
    return {"$ref": f"#/$defs/{type_.__name__}"}


def _takes_zero(meta: msgspec.Meta) -> bool:
    return meta.gt is None and (meta.ge is None or meta.ge <= 0)


def _duration(*, positive: bool) -> dict[str, Any]:
    written = {"type": "string", "pattern": f"^{'(?=[0-9.]*[1-9])' if positive else ''}{PATTERN}$"}
    return written if positive else {"anyOf": [written, {"const": 0}]}


def _bounds(meta: msgspec.Meta) -> dict[str, Any]:
    """Bounds in JSON Schema's words. Patterns match as a whole, and Python's end of text is ECMAScript's."""
    # RE2's and Python's `\Z` is unknown there.
    pattern = None if meta.pattern is None else "^(?:" + str(meta.pattern).replace(r"\Z", "$") + ")$"
    given = {
        "pattern": pattern, "exclusiveMinimum": meta.gt, "minimum": meta.ge, "maximum": meta.le,
        "minLength": meta.min_length, "maxLength": meta.max_length,
    }  # fmt: skip
    return {name: bound for name, bound in given.items() if bound is not None}
