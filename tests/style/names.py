"""Which names `gateway/` may not have any more: words of our own that the field's replaced.

`words.tsv` holds words that are no name of a module, class, function, attribute or parameter: word, kinds, what to
write instead, modules where the word is the field's own, and why. `renamed.tsv` holds what was renamed: the module of
before, the old name, the module of now, the new name, or `gone`. Without names it is the module that moved.
"""

from __future__ import annotations

import ast
import csv
import sys
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

import msgspec

ROOT: Final = Path(__file__).parents[2]
WORDS: Final = Path(__file__).with_name("words.tsv")
RENAMED: Final = Path(__file__).with_name("renamed.tsv")


class Name(msgspec.Struct, frozen=True):
    """A name that a module gives: `kind` is module, class, function, attribute, constant or parameter."""

    module: str
    line: int
    kind: str
    qualified: str

    @property
    def word(self) -> str:
        """The last part of the name, without the underscores before it."""
        return self.qualified.rpartition(".")[2].lstrip("_")


class Word(msgspec.Struct, frozen=True):
    """A word that isn't a name. `allowed`: patterns of modules in which it is the field's, with a reason."""

    word: str
    kinds: frozenset[str]
    instead: str
    allowed: tuple[str, ...]
    reason: str

    def forbids(self, name: Name) -> bool:
        """Whether a name that is this word should be another."""
        return name.kind in self.kinds and not any(fnmatch(name.module, pattern) for pattern in self.allowed)


class Renamed(msgspec.Struct, frozen=True):
    """A name that was replaced: module and name of before, and those of now; `gone` where nothing took its place."""

    before: str
    old: str
    now: str
    new: str


class Names(ast.NodeVisitor):
    """Collects the names that a module gives."""

    def __init__(self, module: str) -> None:
        self.found: list[Name] = [Name(module, 1, "module", _module_name(module))]
        self._module = module
        self._scope: list[str] = []
        self._in_class: list[bool] = [False]

    def _add(self, node: ast.expr | ast.stmt | ast.arg, kind: str, name: str) -> None:
        self.found.append(Name(self._module, node.lineno, kind, ".".join((*self._scope, name))))

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._add(node, "class", node.name)
        self._enter(node, node.name, in_class=True)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._add(node, "function", node.name)
        self._scope.append(node.name)
        given = node.args
        for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg):
            if argument is not None and argument.arg not in ("self", "cls"):
                self._add(argument, "parameter", argument.arg)
        self._scope.pop()
        self._enter(node, node.name, in_class=False)

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 - the visitor's own name

    def _enter(self, node: ast.AST, name: str, *, in_class: bool) -> None:
        self._scope.append(name)
        self._in_class.append(in_class)
        self.generic_visit(node)
        self._scope.pop()
        self._in_class.pop()

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self._target(target)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._target(node.target)
        self.generic_visit(node)

    def _target(self, target: ast.expr) -> None:
        if isinstance(target, ast.Tuple | ast.List):
            for one in target.elts:
                self._target(one)
        elif isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self":
            holder = ".".join(self._scope[:-1])
            self.found.append(Name(self._module, target.lineno, "attribute", f"{holder}.{target.attr}"))
        elif isinstance(target, ast.Name) and (self._in_class[-1] or not self._scope):
            self._add(target, "attribute" if self._in_class[-1] else "constant", target.id)


def _module_name(module: str) -> str:
    path = Path(module)
    return path.parent.name if path.stem == "__init__" else path.stem


def names_of(module: str, source: str) -> Sequence[Name]:
    """Return the names that a module gives, its own first."""
    names = Names(module)
    names.visit(ast.parse(source))
    return names.found


def words(path: Path = WORDS) -> Sequence[Word]:
    """Return the words that are no names."""
    return [
        Word(
            row["word"],
            frozenset(row["kinds"].split()),
            row["instead"],
            tuple((row["allowed"] or "").split()),
            row["reason"] or "",
        )
        for row in _rows(path)
    ]


def renamed(path: Path = RENAMED) -> Sequence[Renamed]:
    """Return what was renamed."""
    return [Renamed(row["before"], row["old"], row["now"], row["new"]) for row in _rows(path)]


def _rows(path: Path) -> Iterator[Mapping[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(
            (line for line in file if not line.startswith("#")), delimiter="\t", quoting=csv.QUOTE_NONE
        )


def faults(names: Sequence[Name], words: Sequence[Word], renamed: Sequence[Renamed]) -> Iterator[str]:
    """Yield each name that should be another."""
    by_word = {word.word: word for word in words}
    for name in names:
        word = by_word.get(name.word)
        if word is not None and word.forbids(name):
            yield f"{name.module}:{name.line}: {name.kind} {name.qualified}: write {word.instead}"
    there = {(name.module, "" if name.kind == "module" else name.qualified): name for name in names}
    for pair in renamed:
        yield from _back(pair, there)


def _back(pair: Renamed, there: Mapping[tuple[str, str], Name]) -> Iterator[str]:
    """Yield what was renamed and is there under its old name; a module is there under none."""
    if not pair.old:
        if (pair.before, "") in there:
            yield f"{pair.before}: this module is {pair.now} now"
        return
    for module in sorted({pair.before, pair.now}):
        if (name := there.get((module, pair.old))) is not None:
            yield f"{module}:{name.line}: {pair.old} was renamed: {pair.new}"


def main() -> int:
    """Print each name in `gateway/` that should be another."""
    modules = [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "gateway").rglob("*.py"))]
    names = [name for module in modules for name in names_of(module, (ROOT / module).read_text(encoding="utf-8"))]
    found = list(faults(names, words(), renamed()))
    for fault in found:
        print(fault, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
