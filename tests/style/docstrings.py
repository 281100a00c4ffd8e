"""What docstrings and comments of `gateway/` and the client name that isn't there: files, and exceptions."""

from __future__ import annotations

import ast
import builtins
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]

_FILE: Final = re.compile(r"`(?:\w+/)*(\w+\.py)(?:::[\w.]+)?`")
_RAISES: Final = re.compile(r"\b[Rr]aises? ((?:[A-Za-z_.]*[A-Z]\w+(?:, | or | and )?)+)")
_EXCEPTION: Final = re.compile(r"\b_?[A-Z]\w+")


def mentions(text: str) -> Iterator[tuple[str, str]]:
    """Yield what a text names: `file` and its name, `exception` and its name."""
    plain = " ".join(text.split())
    yield from (("file", match[1]) for match in _FILE.finditer(plain))
    for match in _RAISES.finditer(plain):
        yield from (("exception", name) for name in _EXCEPTION.findall(match[1]))


def prose_of(source: str) -> Iterator[str]:
    """Yield the docstrings of a module, those of its constants and attributes too, and its comments."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value.value
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


def faults(sources: dict[str, str], files: frozenset[str], words: frozenset[str]) -> Iterator[str]:
    """Yield each file that no file is, and each exception that no name is, of those that modules' prose names."""
    known = {"file": files, "exception": words}
    for module, source in sources.items():
        for text in prose_of(source):
            yield from (f"{module}: no {kind} {name}" for kind, name in mentions(text) if name not in known[kind])


def main() -> int:
    """Print what is named and isn't there."""
    paths = [path for folder in ("gateway", "tests", "clients/python/src") for path in (ROOT / folder).rglob("*.py")]
    sources = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in paths}
    words = frozenset(re.findall(r"[A-Za-z_]\w+", " ".join(map(_code, sources.values()))))
    gateway = {module: source for module, source in sources.items() if not module.startswith("tests/")}
    found = list(faults(gateway, frozenset(path.name for path in paths), words | frozenset(dir(builtins))))
    print("\n".join(sorted(found)))
    return 1 if found else 0


def _code(source: str) -> str:
    """Return the names of a module's code, without what its prose says."""
    return " ".join(
        token.string for token in tokenize.generate_tokens(io.StringIO(source).readline) if token.type == tokenize.NAME
    )


if __name__ == "__main__":
    sys.exit(main())
