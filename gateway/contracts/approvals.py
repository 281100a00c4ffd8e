"""The approvals file: the classifications that the controller has agreed to, written by `privacy-gateway approve`."""

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


class Approvals(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The document: what was approved, by the field's full name."""

    version: int
    approved: Mapping[str, FieldPrivacy]


def read_approvals(path: Path) -> Mapping[str, FieldPrivacy]:
    """What was approved. Raises BadPolicy, naming the file, the line and the key."""
    if is_missing(path):
        raise BadPolicy(f"{path}: is not there yet; `{COMMAND}` shows what there is to approve, and writes it")
    document, origin = yamlfile.read(path, Approvals, BadPolicy)
    if document.version != 1:
        raise origin.error_at(("version",), "must be 1")
    return document.approved


def write_approvals(path: Path, approved: Mapping[str, FieldPrivacy], command: str = COMMAND) -> None:
    """Record what is approved, sorted, so that a reviewer sees each change as one line; `command` is who writes.

    Raises OSError, and BadPolicy if it is too much.
    """
    lines = "".join(f"  {_key(name)}: {_flow_style(_yaml_values(approved[name]))}\n" for name in sorted(approved))
    text = HEADER.format(command) + "version: 1\napproved:" + (f"\n{lines}" if lines else " {}\n")
    if len(text.encode()) > yamlfile.MAX_DOCUMENT_BYTES:
        raise BadPolicy(
            f"{path}: would be larger than {yamlfile.MAX_DOCUMENT_BYTES} bytes; classify fewer fields, those of the flows' types"
        )
    path.write_text(text, encoding="utf-8")


def _key(name: str) -> str:
    """A name without a package may be a word that YAML knows, such as `null`."""
    return name if "." in name else f'"{name}"'


def _yaml_values(privacy: FieldPrivacy) -> dict[str, object]:
    """Only what differs from the defaults, in the policy's own words."""
    given = {name: getattr(privacy, name) for name in FieldPrivacy.__struct_fields__}
    said = {name: value for name, value in given.items() if value != getattr(FieldPrivacy(), name)}
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
