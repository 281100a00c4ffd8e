"""`templates`: the constant texts that a code base logs, to review and list in the policy."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import click

from gateway import files
from gateway.cli.options import FILE, PATH, example, output
from gateway.cli.output import plural, print_json
from gateway.cli.sources import load_policy_file
from gateway.log_templates import LoggedText, Remark, UnreadableSource, scan

_PLAIN_SCALAR: Final = re.compile(r"[A-Za-z]([A-Za-z0-9 _./-]*[A-Za-z0-9])?", re.ASCII)
_YAML_WORDS: Final = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}

MAX_SOURCE_BYTES: Final = 16 * 1024 * 1024
"""The largest file of code that is read."""

Uses = dict[str, list[LoggedText]]
"""Where each template is used, by the template."""


@click.command(epilog=example("templates src/ --policy policy.yaml"))
@click.argument("sources", metavar="SRC...", type=PATH, nargs=-1, required=True)
@click.option("--policy", type=FILE, metavar="FILE", help="Leave out what this policy lists already.")
@output
def templates(sources: tuple[Path, ...], policy: Path | None, form: str) -> int:
    """Collect the log texts of Python code.

    SRC are files and folders. Prints `log_templates`, to review and to paste under `otlp:` of the policy; what can
    never be one is said on standard error, by file and line. Exits with 1 if a file could not be read.
    """
    listed = frozenset() if policy is None else frozenset(load_policy_file(policy).policy.otlp.log_templates)
    uses: Uses = {}
    notes: list[Remark] = []
    failed = _collect(sources, uses, notes)
    known = sorted(listed & uses.keys())
    new = {template: uses[template] for template in sorted(uses.keys() - listed)}
    if form == "json":
        found = [{"template": template, "uses": [_place(use) for use in places]} for template, places in new.items()]
        print_json({"templates": found, "notes": notes, "listed": len(known)})
    else:
        _print(new, notes, None if policy is None else len(known))
    return int(failed)


def _collect(sources: Iterable[Path], uses: Uses, notes: list[Remark]) -> bool:
    """Read all files; whether one could not be."""
    failed = False
    for path in dict.fromkeys(path for source in sources for path in _files(source)):
        try:
            found = scan(files.read_regular(path, MAX_SOURCE_BYTES), str(path))
        except (OSError, files.Unreadable) as error:
            failed = True
            notes.append(Remark(str(path), 1, files.read_error_text(error)))
        except UnreadableSource as error:
            failed = True
            notes.append(Remark(str(path), error.line, str(error)))
        else:
            _add(found, uses, notes)
    return failed


def _add(found: Iterator[LoggedText | Remark], uses: Uses, notes: list[Remark]) -> None:
    for one in found:
        if isinstance(one, Remark):
            notes.append(one)
        else:
            uses.setdefault(one.template, []).append(one)


def _files(source: Path) -> Iterator[Path]:
    """The Python files of a folder, but for what is hidden, installed or cached; a file is itself."""
    if source.is_file():
        yield source
        return
    for folder, folders, names in os.walk(source):
        folders[:] = sorted(name for name in folders if _is_source_folder(Path(folder, name)))
        yield from (Path(folder, name) for name in sorted(names) if name.endswith(".py"))


def _is_source_folder(folder: Path) -> bool:
    return (
        not folder.name.startswith(".")
        and folder.name not in {"__pycache__", "node_modules"}
        and not (folder / "pyvenv.cfg").exists()
    )


def _print(new: Uses, notes: Iterable[Remark], known: int | None) -> None:
    for note in notes:
        click.echo(f"{note.path}:{note.line}: {note.text}", err=True)
    entries = [f"    - {yaml_scalar(template)}  # {_uses_text(uses)}\n" for template, uses in new.items()]
    click.echo("  log_templates:" + ("\n" + "".join(entries) if entries else " []\n"), nl=False)
    told = (
        plural(len(new), "template")
        if known is None
        else f"{plural(len(new), 'template')}; {known} more listed already"
    )
    click.echo(told, err=True)


def _uses_text(uses: list[LoggedText]) -> str:
    """Where a template is used first, and how often; a path's odd characters could end the comment."""
    first = "".join(char if char.isprintable() else "?" for char in _place(uses[0]).encode(errors="replace").decode())
    return first if len(uses) == 1 else f"{first}, {plural(len(uses), 'use')}"


def _place(use: LoggedText) -> str:
    return f"{use.path}:{use.line}"


def yaml_scalar(text: str) -> str:
    """A text as a YAML scalar on one line: https://yaml.org/spec/1.2.2/#57-escaped-characters."""
    if _PLAIN_SCALAR.fullmatch(text) and text.lower() not in _YAML_WORDS:
        return text
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable() and char != "\ufeff":
        return char
    code = ord(char)
    return f"\\x{code:02X}" if code < 0x100 else f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"
