"""Contracts that want to be more than anybody can compile.

Long chains, meshes, what doubles with each level; in proto text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from tests.support.contracts import proto

MakeProto = Callable[[int], str]
"""The text of a proto file of package `t` with a message `M0`, of about so many parts."""


def chain(size: int) -> str:
    """Each type holds the next."""
    return (
        "".join(f"message M{i} {{ M{i + 1} next = 1; string s = 2 @OPERATIONAL; }}\n" for i in range(size))
        + f"message M{size} {{}}\n"
    )


def chain_to_a_user(size: int) -> str:
    """The same, and the last one says whom it is about."""
    links = "".join(f"message M{i} {{ M{i + 1} next = 1; }}\n" for i in range(size))
    return f"{links}message M{size} {{ string id = 1 @USER_ID; }}\n"


def rings(size: int) -> str:
    """Each type holds the next and the first, and lists the one before."""
    last = size - 1
    held = (
        f"M{min(i + 1, last)} a = 1; M0 b = 2; repeated M{max(i - 1, 0)} c = 3; string s = 4 @OPERATIONAL;"
        for i in range(size)
    )
    return "".join(f"message M{i} {{ {text} }}\n" for i, text in enumerate(held))


def doubling(size: int) -> str:
    """Each type has two fields of the next: the ways to the last are as many as 2 to the power of its depth."""
    links = "".join(f"message M{i} {{ M{i + 1} a = 1; M{i + 1} b = 2; }}\n" for i in range(size))
    return f"{links}message M{size} {{ string id = 1 @USER_ID; }}\n"


def mesh(size: int) -> str:
    """Each type holds each, some `size` fields in all."""
    side = int(size**0.5)
    held = " ".join(f"M{i} f{i} = {i + 1};" for i in range(side))
    return "".join(f"message M{i} {{ {held} string s = {side + 1} @OPERATIONAL; }}\n" for i in range(side))


def wide(size: int) -> str:
    """One type with many fields, each with a rule of its own."""
    fields = (
        f'string f{i} = {i + 1 + 1000 * (i > 18_000)} @{{category: OPERATIONAL, pattern: "v{i}"}};' for i in range(size)
    )
    return f"message M0 {{ {' '.join(fields)} }}\n"


def enum(size: int) -> str:
    """One enum with many values, and many fields of it."""
    values = " ".join(f"V{i} = {i};" for i in range(size))
    fields = " ".join(f"E e{i} = {i + 1} @OPERATIONAL;" for i in range(10))
    return f"enum E {{ {values} }}\nmessage M0 {{ {fields} }}\n"


def nested(size: int) -> str:
    """One type with many in it."""
    inner = " ".join(f"message N{i} {{ string s = 1 @OPERATIONAL; }} N{i} n{i} = {i + 1};" for i in range(size))
    return f"message M0 {{ {inner} }}\n"


def many(size: int) -> str:
    """Many types that have nothing to do with one another."""
    return "".join(f"message M{i} {{ string s = 1 @OPERATIONAL; bytes b = 2; }}\n" for i in range(size))


SHAPES: Final[Mapping[str, MakeProto]] = {
    made.__name__: made for made in (chain, chain_to_a_user, rings, doubling, mesh, wide, enum, nested, many)
}


def proto_text(make: MakeProto, size: int) -> str:
    """A whole proto file."""
    return proto(make(size))
