"""The constant texts that Python code logs, read from its source: what `otlp.log_templates` of a policy may list.

Nothing is run.

Which of them may be listed is for a reader to say. Files and commands are in `cli/templates.py`.
"""

from __future__ import annotations

import ast
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from gateway.detectors.detect import find

LOGGER_METHODS: Final = frozenset({"debug", "info", "warning", "warn", "error", "critical", "fatal", "exception"})
"""What loggers of the standard library and of structlog are called with; `log` beside them takes a level first."""

MAX_TEMPLATE_CHARS: Final = 1000
"""The characters that a policy's text may have."""

# What makes another logger out of a logger: logging.Logger, structlog's bound loggers.
_CHAINING_METHODS: Final = frozenset({"bind", "new", "unbind", "try_unbind", "getChild"})
_LOGGER_CLASSES: Final = frozenset({"loggeradapter"})
_LOGGER_NAME_ENDINGS: Final = ("log", "logger", "logging")
_MAX_COMBINATIONS: Final = 64
_KEYWORDS: Final = ("msg", "event", "message")


class LoggedText(msgspec.Struct, frozen=True):
    """A constant text, and the line that logs it."""

    template: str
    path: str
    line: int


class Remark(msgspec.Struct, frozen=True):
    """A place that a reader should look at, and why; nothing of what stands there."""

    path: str
    line: int
    text: str


class UnreadableSource(Exception):
    """A source that can't be parsed, from `line` on. Its text says why, without any of it."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line


def scan(source: bytes, path: str) -> Iterator[LoggedText | Remark]:
    """The texts logged in one file, in its order. Raises UnreadableSource, before the first."""
    try:
        tree = _parse(source)
        return iter([*_Scanner(tree, path).results()])
    except (RecursionError, MemoryError):
        raise UnreadableSource(1, "nests too deep to be read") from None


def _parse(source: bytes) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except SyntaxError as error:
        raise UnreadableSource(error.lineno or 1, "is not Python") from None
    except ValueError:  # a null byte, or digits beyond counting
        raise UnreadableSource(1, "is not Python") from None


class _Scanner:
    """One module."""

    def __init__(self, tree: ast.Module, path: str) -> None:
        self._tree = tree
        self._path = path
        self._constants = dict(_constants(tree))
        self._loggers = frozenset(self._bound_loggers())

    def results(self) -> Iterator[LoggedText | Remark]:
        """What each call that logs says."""
        calls = [node for node in ast.walk(self._tree) if isinstance(node, ast.Call)]
        for call in sorted(calls, key=lambda call: (call.lineno, call.col_offset)):
            text = self._text(call)
            if text is not None:
                yield from self._check(text, call.lineno)

    def _text(self, call: ast.Call) -> ast.expr | None:
        """What a call logs; None where it isn't one that does."""
        func = call.func
        if (
            not isinstance(func, ast.Attribute)
            or not (func.attr in LOGGER_METHODS or func.attr == "log")
            or not self._is_logger(func.value)
        ):
            return None
        place = int(func.attr == "log")
        if len(call.args) > place:
            return call.args[place]
        return next((keyword.value for name in _KEYWORDS for keyword in call.keywords if keyword.arg == name), None)

    def _check(self, text: ast.expr, line: int) -> Iterator[LoggedText | Remark]:
        made = _texts(text, self._constants)
        if made is None:
            yield Remark(
                self._path, line, f"{_kind(text)} is never a template: log a constant, and what varies as an attribute"
            )
        for template in made or ():
            fault = _problem(template)
            yield Remark(self._path, line, fault) if fault else LoggedText(template, self._path, line)

    def _bound_loggers(self) -> Iterator[str]:
        """Names and attributes that are given a logger, whatever they are called."""
        for node in ast.walk(self._tree):
            match node:
                case ast.Assign(targets=targets, value=ast.Call() as value) if self._makes_logger(value):
                    yield from filter(None, map(_name, targets))
                case ast.AnnAssign(target=target, value=ast.Call() as value) if self._makes_logger(value):
                    yield from filter(None, [_name(target)])
                case ast.Import(names=names):
                    yield from (name.asname for name in names if name.name == "logging" and name.asname)

    def _makes_logger(self, call: ast.Call) -> bool:
        name = _name(call.func) or ""
        return _named_logger(name) or name.lower() in _LOGGER_CLASSES

    def _is_logger(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Call):
            chained = (
                isinstance(node.func, ast.Attribute)
                and node.func.attr in _CHAINING_METHODS
                and self._is_logger(node.func.value)
            )
            return chained or self._makes_logger(node)
        name = _name(node)
        return name is not None and (_named_logger(name) or name in self._loggers)


def _name(node: ast.expr) -> str | None:
    """The last name of `a`, `self.a` or `x.y.a`."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return None


def _named_logger(name: str) -> bool:
    return name.strip("_").lower().endswith(_LOGGER_NAME_ENDINGS)


def _constants(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Names bound once in the whole file, at its top: what they stand for there, they stand for everywhere."""
    times = Counter(_bindings(tree))
    for node in tree.body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ):
                if times[name] == 1:
                    yield name, value


def _bindings(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.arg(arg=name):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.alias(name=name, asname=other):
                yield other or name.partition(".")[0]
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name
            case ast.MatchMapping(rest=str(name)):
                yield name


def _texts(node: ast.expr, constants: Mapping[str, ast.expr]) -> tuple[str, ...] | None:
    """The constants that an expression can come to; None where it can be anything else."""
    match node:
        case ast.Constant(value=str(text)):
            return (text,)
        case ast.JoinedStr(values=values) if all(isinstance(value, ast.Constant) for value in values):
            return ("".join(str(value.value) for value in values if isinstance(value, ast.Constant)),)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            heads, tails = _texts(left, constants), _texts(right, constants)
            if heads is None or tails is None or len(heads) * len(tails) > _MAX_COMBINATIONS:
                return None
            return tuple(head + tail for head in heads for tail in tails)
        case ast.IfExp(body=body, orelse=other):
            either, rest = _texts(body, constants), _texts(other, constants)
            return None if either is None or rest is None else either + rest
        case ast.Name(id=name) if name in constants:
            # Its own value may name no other: that ends where it began.
            return _texts(constants[name], {})
    return None


def _kind(node: ast.expr) -> str:
    """What stands where a constant should."""
    match node:
        case ast.JoinedStr():
            return "an f-string"
        case ast.BinOp(op=ast.Mod()):
            return "a text formatted with %"
        case ast.Call(func=ast.Attribute(attr="format")):
            return "a text made with .format()"
        case ast.BinOp(op=ast.Add()):
            return "a sum with something that varies in it"
    return "what varies"


def _problem(template: str) -> str | None:
    """Why no policy could list a template."""
    if not template.strip():
        return "an empty text: left out"
    if len(template) > MAX_TEMPLATE_CHARS:
        return f"longer than the {MAX_TEMPLATE_CHARS} characters that a policy's text may have: left out"
    if reason := find(template):
        return f"{reason.words}: left out, for it holds something personal"
    return None
