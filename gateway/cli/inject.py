"""`inject`: manifests in, the same with a gateway in every pod out, for clusters that don't inject it themselves."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import click
import msgspec
import yaml

from gateway import files
from gateway.cli.injection import Pod, Refusal, Table
from gateway.cli.injection import inject as inject_pod
from gateway.cli.manifests import dump, read_documents
from gateway.cli.options import FILE, example
from gateway.errors import BadSetup
from gateway.json_types import JsonObject, JsonValue

MAX_MANIFEST_BYTES: Final = 16 * 1024 * 1024
"""The largest file of manifests that is read."""

TABLE_KEY: Final = "table.yaml"
"""The key of the chart's ConfigMap that holds the table."""

TEMPLATES: Final = {
    ("v1", "Pod"): (),
    ("apps/v1", "Deployment"): ("spec", "template"),
    ("apps/v1", "ReplicaSet"): ("spec", "template"),
    ("apps/v1", "StatefulSet"): ("spec", "template"),
    ("apps/v1", "DaemonSet"): ("spec", "template"),
    ("batch/v1", "Job"): ("spec", "template"),
    ("batch/v1", "CronJob"): ("spec", "jobTemplate", "spec", "template"),
}
"""Where a manifest of an apiVersion and kind has its pod. Others may have a kind's name too, such as Volcano's Job."""

STANDARD_INPUT: Final = "-"


class Type(NamedTuple):
    """What a document is."""

    api_version: str
    kind: str

    @property
    def of_items(self) -> Type:
        """What a list's items are that don't say it: a PodList's are Pods, and a List's are nothing."""
        return Type(self.api_version, self.kind.removesuffix("List"))


NO_TYPE: Final = Type("", "")


@click.command(name="inject", epilog=example("inject --table injection.yaml deployment.yaml | kubectl apply -f -"))
@click.argument("manifests", metavar="FILE|-", type=click.Path(dir_okay=False, allow_dash=True))
@click.option(
    "--table",
    "table_path",
    required=True,
    type=FILE,
    metavar="FILE",
    help="The chart's ConfigMap privacy-gateway-injection.",
)
@click.option("--namespace", metavar="NAME", help="The namespace of manifests that name none.")
def inject(manifests: str, table_path: Path, namespace: str | None) -> int:
    """Put the gateway into the pods of Kubernetes manifests.

    FILE holds Pods, Deployments, StatefulSets, DaemonSets, ReplicaSets, Jobs, CronJobs and Lists of them, in any number
    of documents; what has no pod is passed on as it is. Prints them, patched as the chart's policy patches pods where
    the cluster has it, by the same table: `kubectl get configmap privacy-gateway-injection -o yaml`, or `helm template`
    with `--show-only templates/injection/table.yaml`. A manifest that is patched already comes out the same. Exits
    with 1, and prints nothing, if a pod can't have a gateway.
    """
    table = _read_table(table_path)
    documents = list(_documents(_read(manifests), manifests))
    try:
        faults = [fault for document in documents for fault in _patch(table, document, namespace)]
        patched = "" if faults else dump(documents)
    except RecursionError:
        raise BadSetup(f"{manifests}: nests too deep, or holds itself by an alias") from None
    for fault in faults:
        click.echo(f"{manifests}: {fault}", err=True)
    click.echo(patched, nl=False)
    return int(bool(faults))


def _patch(table: Table, document: JsonValue, namespace: str | None, listed: Type = NO_TYPE) -> Iterator[str]:
    """Patch a document in place, `listed` unless it says what it is; what is wrong with its pods, by kind and name."""
    if not isinstance(document, dict):
        return
    found = Type(str(document.get("apiVersion") or listed.api_version), str(document.get("kind") or listed.kind))
    items = document.get("items")
    if isinstance(items, list) and found.kind.endswith("List"):
        for item in items:
            yield from _patch(table, item, namespace, found.of_items)
        return
    if (path := TEMPLATES.get(found)) is None:
        return
    try:
        pod = Pod(_template(document, path), _namespace(document) or namespace or "")
        if not pod.namespace:
            raise Refusal("names no namespace: --namespace says which")
        inject_pod(table, pod)
    except Refusal as refusal:
        yield f"{found.kind} {_name(document)}: {refusal}"


def _template(document: JsonObject, path: tuple[str, ...]) -> JsonObject:
    """What a path leads to. Raises Refusal."""
    for key in path:
        found = document.get(key)
        if not isinstance(found, dict):
            raise Refusal(f"has no {'.'.join(path)}")
        document = found
    return document


def _namespace(document: JsonObject) -> str:
    metadata = document.get("metadata")
    return str(metadata.get("namespace") or "") if isinstance(metadata, dict) else ""


def _name(document: JsonObject) -> str:
    metadata = document.get("metadata")
    name = metadata.get("name") or metadata.get("generateName") if isinstance(metadata, dict) else None
    return str(name or "without a name")


def _read(path: str) -> bytes:
    """The bytes of a file or of standard input. Raises BadSetup."""
    try:
        if path == STANDARD_INPUT:
            text = sys.stdin.buffer.read(MAX_MANIFEST_BYTES + 1)
            if len(text) > MAX_MANIFEST_BYTES:
                raise files.Unreadable(f"is larger than {MAX_MANIFEST_BYTES} bytes")
            return text
        return files.read_regular(Path(path), MAX_MANIFEST_BYTES)
    except (OSError, files.Unreadable) as failure:
        raise BadSetup(f"{path}: {files.read_error_text(failure)}") from None


def _documents(text: bytes, path: str) -> Iterator[JsonValue]:
    """The documents of a file, without empty ones. Raises BadSetup."""
    try:
        yield from (document for document in read_documents(text) if document is not None)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark, last = getattr(error, "problem_mark", None), text.count(b"\n")
        place = path if mark is None else f"{path}:{min(mark.line, last) + 1}"  # libyaml's end may be a line too far
        raise BadSetup(f"{place}: not YAML: {getattr(error, 'problem', None) or type(error).__name__}") from None


def _read_table(path: Path) -> Table:
    """The table in the chart's ConfigMap. Raises BadSetup."""
    for document in _documents(_read(str(path)), str(path)):
        data = document.get("data") if isinstance(document, dict) else None
        if isinstance(data, dict) and isinstance(text := data.get(TABLE_KEY), str):
            (found,) = _documents(text.encode(), f"{path}: {TABLE_KEY}")
            try:
                return msgspec.convert(found, Table)
            except msgspec.ValidationError as error:
                raise BadSetup(f"{path}: {TABLE_KEY}: {error}: a chart of another version made it") from None
    raise BadSetup(f"{path}: holds no ConfigMap with {TABLE_KEY}: it is the chart's privacy-gateway-injection")
