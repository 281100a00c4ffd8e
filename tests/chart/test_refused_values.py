"""What values may not be, and what helm says of it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest

from tests.chart import helm

pytestmark = pytest.mark.chart

SCHEMA: Final = json.loads((helm.CHART / "values.schema.json").read_text(encoding="utf-8"))

REFUSED: Final[tuple[tuple[str, Mapping[str, Any], str], ...]] = (
    ("misspelt", {"hubb": {}}, "hubb"),
    ("misspelt below", {"hub": {"replica": 1}}, "replica"),
    ("two hubs", {"hub": {"replicas": 2}}, "maximum: got 2, want 1"),
    ("digest", {"image": {"digest": "sha256:abc"}}, "/image/digest"),
    ("no issuer", {"certificates": {"mode": "cert-manager"}}, "/certificates/issuer/name"),
    ("no such mode", {"certificates": {"mode": "self-signed"}}, "/certificates/mode"),
    ("duration", {"hub": {"outbox": {"maxAge": "3m"}}}, "/hub/outbox/maxAge"),
    ("a secret's value", {"hub": {"secretEnv": {"TOKEN": "abc"}}}, "/hub/secretEnv/TOKEN"),
    ("variable", {"hub": {"secretEnv": {"A B": {"secret": "a", "key": "b"}}}}, "invalid propertyName 'A B'"),
    ("agent", {"hub": {"agents": ["spiffe://x y"]}}, "/hub/agents/0"),
    ("contract", {"contracts": {"files": {"acme.proto": ""}}}, "invalid propertyName 'acme.proto'"),
    ("base64", {"contracts": {"files": {"acme.binpb": "syntax = 3;"}}}, "/contracts/files/acme.binpb"),
    ("trust domain", {"trustDomain": "spiffe://a"}, "/trustDomain"),
    ("the cluster's own", {"namespaces": [{"name": "kube-system", "serviceAccounts": []}]}, "/namespaces/0/name"),
    ("twice", {"namespaces": [{"name": "a", "serviceAccounts": ["b", "b"]}]}, "/namespaces/0/serviceAccounts"),
    ("a webhook", {"injection": {"mode": "webhook"}}, "/injection/mode"),
    ("exempt", {"exempt": ["batch"]}, "/exempt/0"),
    ("no limit", {"agent": {"resources": {"limits": {"cpu": None}}}}, "/agent/resources/limits"),
    ("outbox", {"agent": {"outbox": {"volume": "hostPath"}}}, "/agent/outbox/volume"),
    ("a lock of nothing", {"lock": {"enabled": True}}, "/lock/image"),
    ("a range", {"lock": {"allow": ["10.0.0.1"]}}, "/lock/allow/0"),
    (
        "approvals",
        {"policy": {"document": "approvals: approvals.lock\n"}},
        r"policy.files: lacks approvals.lock, which the policy names as its approvals: --set-file 'policy.files.approvals\.lock=",
    ),
    ("policy", {"policy": {"document": "a: ["}}, "policy.document: not YAML"),
    (
        "contracts over 900 KiB",
        {"contracts": {"files": {"acme.binpb": base64.b64encode(bytes(921_601)).decode()}}},
        "contracts.files: 921601 bytes, and a ConfigMap takes 921600 (900 KiB): ship them in an image instead.",
    ),
)


@pytest.mark.parametrize(("given", "said"), [pytest.param(*row[1:], id=row[0]) for row in REFUSED])
def test_values_that_no_gateway_could_run_by_are_refused(given: Mapping[str, Any], said: str) -> None:
    with pytest.raises(helm.NotRendered) as refused:
        helm.render(given)
    assert said in " ".join(str(refused.value).split())


@pytest.mark.parametrize("given", [{"global": {"region": "FR"}}, {"enabled": True}])
def test_what_a_parent_chart_gives_all_its_charts_is_taken(given: Mapping[str, Any]) -> None:
    assert helm.render(given) == helm.render({})


def test_contracts_of_900_kib_are_taken() -> None:
    assert helm.render({"contracts": {"files": {"acme.binpb": base64.b64encode(bytes(921_600)).decode()}}})


def schemas(node: Any, place: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each schema of a value, with its place."""
    yield place, node
    for name, inner in node.get("properties", {}).items():
        yield from schemas(inner, f"{place}/{name}")
    for name in ("items", "additionalProperties"):
        if isinstance(node.get(name), dict):
            yield from schemas(node[name], f"{place}/*")


def test_every_key_is_described_and_no_other_is_taken() -> None:
    for place, schema in schemas(SCHEMA):
        assert schema["description"].endswith("."), place
        if "properties" in schema:
            assert schema["additionalProperties"] is False, place


def keys(schema: Any, value: Any, place: str = "") -> Iterator[str]:
    """Keys of a schema that the default values lack."""
    for name, inner in schema.get("properties", {}).items():
        if name not in value:
            yield f"{place}/{name}"
        elif isinstance(value[name], dict):
            yield from keys(inner, value[name], f"{place}/{name}")


def test_the_default_values_show_every_key() -> None:
    assert set(keys(SCHEMA, helm.values_of(helm.CHART / "values.yaml"))) == {"/global", "/enabled"}
