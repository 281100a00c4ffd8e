"""The approvals file: the classifications that the controller has agreed to, written by `privacy-gateway approve`.

A category and bounds mean something only of values of one kind: a list of an enum's values says nothing of texts. So
an approval holds the field's type too, and the file the values of each enum.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
import yaml

from gateway import yamlfile
from gateway.errors import BadPolicy
from gateway.files import is_missing
from gateway.model import Category, FieldPrivacy

HEADER: Final = (
    "# Classifications that the controller approved. Written by `{}`: read the difference, then commit it.\n"
)
COMMAND: Final = "privacy-gateway approve"

EARLIER: Final = (
    f"is 1, of approvals that say nothing of fields' types; `{COMMAND}` shows each field with its type, and writes the "
    "file anew: an approval counts for the type that it was given for"
)


VERSION: Final = 2
"""The version of the file that this gateway reads and writes; in the first, approvals held no types."""

_VALUE_TYPE: Final = re.compile(r"(?:repeated |map<\w+, )?([^>]*)>?")


class Approval(FieldPrivacy, frozen=True):
    """What was approved of a field: what it holds, and of which type it is. Without a type it counts for none."""

    type: str = ""

    @property
    def privacy(self) -> FieldPrivacy:
        """What the field holds, alone."""
        return FieldPrivacy(**{name: getattr(self, name) for name in FieldPrivacy.__struct_fields__})

    @property
    def value_type(self) -> str:
        """The type of one value: of an element, or of what a map leads to."""
        found = _VALUE_TYPE.fullmatch(self.type)
        return found[1] if found else self.type


class Approvals(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The document: what was approved, by the field's full name, and the values that each enum has, by its own."""

    version: int
    approved: Mapping[str, Approval]
    enums: Mapping[str, tuple[str, ...]] = {}

    def covers_type(self, name: str, now: Approvals) -> bool:
        """Whether a field that was approved is of the type that it was, without a value of an enum that is new."""
        was, field = self.approved[name], now.approved[name]
        return was.type == field.type != "" and not self.new_values(name, now)

    def new_values(self, name: str, now: Approvals) -> frozenset[str]:
        """The values of a field's enum that aren't here."""
        return frozenset(now.values_of(name)).difference(self.values_of(name))

    def values_of(self, name: str) -> tuple[str, ...]:
        """The values of a field's enum; empty for all else."""
        return self.enums.get(self.approved[name].value_type, ())


def read_approvals(path: Path) -> Approvals:
    """What was approved. Raises BadPolicy, naming the file, the line and the key."""
    if is_missing(path):
        raise BadPolicy(f"{path}: is not there yet; `{COMMAND}` shows what there is to approve, and writes it")
    document, origin = yamlfile.read(path, Approvals, BadPolicy)
    _check_version(document, origin)
    if document.version != VERSION:
        raise origin.error_at(("version",), EARLIER)
    return document


def read_recorded(path: Path) -> Approvals:
    """What was approved so far, by this version of the gateway or an earlier one; nothing if there is no file yet.

    Raises BadPolicy.
    """
    if is_missing(path):
        return Approvals(VERSION, {})
    document, origin = yamlfile.read(path, Approvals, BadPolicy)
    _check_version(document, origin)
    return document


def write_approvals(path: Path, approvals: Approvals, command: str = COMMAND) -> None:
    """Record what is approved, sorted, so that a reviewer sees each change as one line; `command` is who writes.

    Raises OSError, and BadPolicy if it is too much.
    """
    fields = _lines({name: _yaml_values(approval) for name, approval in approvals.approved.items()})
    enums = _lines({name: list(values) for name, values in approvals.enums.items()})
    text = f"{HEADER.format(command)}version: {VERSION}\napproved:{fields}" + (
        f"enums:{enums}" if approvals.enums else ""
    )
    if len(text.encode()) > yamlfile.MAX_DOCUMENT_BYTES:
        raise BadPolicy(
            f"{path}: would be larger than {yamlfile.MAX_DOCUMENT_BYTES} bytes; classify fewer fields, those of the flows' types"
        )
    path.write_text(text, encoding="utf-8")


def _check_version(document: Approvals, origin: yamlfile.Origin) -> None:
    """Raises BadPolicy for a version that there isn't."""
    if not 1 <= document.version <= VERSION:
        raise origin.error_at(("version",), f"must be {VERSION}")


def _lines(entries: Mapping[str, object]) -> str:
    lines = "".join(f"  {_key(name)}: {_flow_style(entries[name])}\n" for name in sorted(entries))
    return f"\n{lines}" if lines else " {}\n"


def _key(name: str) -> str:
    """A name without a package may be a word that YAML knows, such as `null`."""
    return name if "." in name else f'"{name}"'


def _yaml_values(approval: Approval) -> dict[str, object]:
    """Only what differs from the defaults, in the policy's own words."""
    given = {name: getattr(approval, name) for name in Approval.__struct_fields__}
    said = {name: value for name, value in given.items() if value != getattr(Approval(), name)}
    return {
        name: value.name
        if isinstance(value, Category)
        else list(map(str, value))
        if isinstance(value, tuple)
        else value
        for name, value in said.items()
    }


def _flow_style(entry: object) -> str:
    return yaml.dump(
        entry, Dumper=_Dumper, default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True
    ).strip()


class _Dumper(yaml.SafeDumper):
    """Quotes all text but plain words: what else is a number, and what isn't, differs between readers of YAML."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style=None if re.fullmatch(r"[A-Za-z_]\w*", text, re.ASCII) else '"'
    )


_Dumper.add_representer(str, _text)
