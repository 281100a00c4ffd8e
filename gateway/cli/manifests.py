"""Kubernetes manifests, in YAML or JSON: read and written so that Kubernetes reads the same."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

import msgspec
import yaml

from gateway.cli.templates import yaml_scalar
from gateway.json_types import JsonValue

KEPT_TYPES: Final = frozenset({"tag:yaml.org,2002:null", "tag:yaml.org,2002:merge"})
"""Which plain scalars PyYAML takes for what Kubernetes takes them for."""

PLAIN_TYPES: Final = {
    "bool": ("yYnNtTfFoO", "[yY]|[nN]|yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF"),
    "int": ("-+0123456789", "[-+]?(0b_*[01][01_]*|0x_*[0-9a-fA-F][0-9a-fA-F_]*|0([oO]_*[0-7])?[0-7_]*|[1-9][0-9_]*)"),
    "float": (
        "-+.0123456789",
        r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]{1,2})?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
    ),
}
"""What else Kubernetes takes them for, by what they begin with: to it `22:22`, `2026-01-01` and `=` are text."""


class Loader(yaml.CSafeLoader):
    """Reads what Kubernetes reads, by libyaml."""

    yaml_implicit_resolvers = {  # noqa: RUF012 as the base class has it
        first: [(tag, pattern) for tag, pattern in resolvers if tag in KEPT_TYPES]
        for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }
    bool_values = {**yaml.CSafeLoader.bool_values, "y": True, "n": False}  # noqa: RUF012 as the base class has it


for _type, (_first, _pattern) in PLAIN_TYPES.items():
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_type}", re.compile(rf"(?:{_pattern})\Z"), _first)


class Dumper(yaml.CSafeDumper):
    """Writes what Kubernetes reads: to it `y` and `12e5`, which are text here, are none unless they are quoted."""


def _represent_text(dumper: yaml.CSafeDumper, text: str) -> yaml.ScalarNode:
    plain = yaml_scalar(text) == text
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


Dumper.add_representer(str, _represent_text)


def read_documents(text: bytes) -> Iterable[JsonValue]:
    """Return what YAML's documents hold, or JSON's one, which has surrogate pairs and `1e3`, as YAML 1.1 hasn't.

    Raises YAMLError, ValueError and RecursionError, some of them only while it is gone through.
    """
    if text.lstrip().startswith(b"{"):
        with suppress(msgspec.DecodeError, UnicodeDecodeError):
            return [msgspec.json.decode(text)]
    return yaml.load_all(text, Loader)


def dump(documents: Iterable[object]) -> str:
    """Return documents as YAML, with their keys in their order."""
    return yaml.dump_all(documents, Dumper=Dumper, sort_keys=False, width=10_000, allow_unicode=True)
