"""The structs of policy and configuration as data: their keys, and the docstring below each."""

from __future__ import annotations

import ast
import functools
import inspect
import sys
import types
from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

Struct = type[msgspec.Struct]


@functools.cache
def docstrings(struct: Struct) -> dict[str, str]:
    """What stands below each field of a struct, those of its bases included."""
    found: dict[str, str] = {}
    for base in reversed(struct.__mro__):
        if base is not msgspec.Struct and issubclass(base, msgspec.Struct):
            found |= dict(_below(_body(base)))
    return {name: text for name, text in found.items() if name in struct.__struct_fields__}


def _body(struct: Struct) -> list[ast.stmt]:
    tree = ast.parse(inspect.getsource(sys.modules[struct.__module__]))
    return next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == struct.__name__)


def _below(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for field, text in pairwise(body):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(doc))):
                yield name, " ".join(doc.split())


def summary(struct: Struct) -> str:
    """What a struct is: its docstring, as one line."""
    return " ".join(inspect.cleandoc(struct.__doc__ or "").split())


def structs(type_: Any) -> Iterator[Struct]:
    """The structs that a type leads to at once."""
    if isinstance(type_, type) and not get_origin(type_) and issubclass(type_, msgspec.Struct):
        yield type_
    else:
        for inner in get_args(type_) if get_origin(type_) is not None else ():
            yield from structs(inner)


def reachable_structs(root: Struct) -> list[Struct]:
    """A struct and all below it, each once, in the order of the keys that lead there first."""
    found = [root]
    for struct in found:
        for info in msgspec.structs.fields(struct):
            found += [one for one in structs(info.type) if one not in found]
    return found


def split_annotated(type_: Any) -> tuple[Any, tuple[Any, ...]]:
    """A type without its annotations, and these."""
    return (get_args(type_)[0], type_.__metadata__) if get_origin(type_) is Annotated else (type_, ())


def union_members(type_: Any) -> tuple[Any, ...]:
    """The types of a union; else the type alone."""
    return get_args(type_) if get_origin(type_) in (Union, types.UnionType) else (type_,)
