"""Kubernetes manifests, in YAML or JSON: read and written so that Kubernetes reads the same."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Final

import msgspec
import yaml

from gateway.cli.templates import yaml_scalar
from gateway.json_types import JsonValue

OTHER_TYPES: Final = frozenset({"tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:value"})
"""What YAML 1.1 takes a plain `2026-01-01` and `=` for; Kubernetes takes them for text."""


class Loader(yaml.CSafeLoader):
    """Reads what Kubernetes reads, by libyaml."""

    yaml_implicit_resolvers = {  # noqa: RUF012 as the base class has it
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in OTHER_TYPES]
        for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }


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
