"""Kubernetes manifests as YAML: read and written so that Kubernetes reads the same."""

from __future__ import annotations

from collections.abc import Iterable

import yaml

from gateway.cli.templates import yaml_scalar


class Loader(yaml.SafeLoader):
    """Reads what Kubernetes reads: a date is text."""

    yaml_implicit_resolvers = {  # noqa: RUF012 as the base class has it
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


class Dumper(yaml.SafeDumper):
    """Writes what Kubernetes reads: to it `y` and `12e5`, which are text here, are none unless they are quoted."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    plain = yaml_scalar(text) == text
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


Dumper.add_representer(str, _represent_text)


def dump(documents: Iterable[object]) -> str:
    """Return documents as YAML, with their keys in their order."""
    return yaml.dump_all(documents, Dumper=Dumper, sort_keys=False, width=10_000, allow_unicode=True)
