"""Each listed namespace has what its pods' gateways read, and one certificate for each of its service accounts."""

from __future__ import annotations

from typing import Any, Final

import pytest
import yaml

from tests.chart.helm import Manifest, find, render

pytestmark = pytest.mark.chart

NAMESPACES: Final = [
    {"name": "video", "serviceAccounts": ["editor", "studio"]},
    {"name": "crm", "serviceAccounts": ["api"]},
]
SERVICES: Final = ["video/editor", "video/studio", "crm/api"]
IDS: Final = [f"spiffe://cluster.local/ns/{name.replace('/', '/sa/')}" for name in SERVICES]


def rendered(**values: Any) -> list[Manifest]:
    return render({"namespaces": NAMESPACES, **values})


def in_namespaces(documents: list[Manifest], kind: str) -> set[tuple[str, str]]:
    return {
        (one["metadata"]["namespace"], one["metadata"]["name"])
        for one in documents
        if one["kind"] == kind and one["metadata"]["namespace"] != "privacy-gateway"
    }


def test_each_has_configuration_policy_contracts_and_ca() -> None:
    given = {"policy": {"document": "version: 1"}, "contracts": {"files": {"a.binpb": "AA=="}}}
    documents = rendered(**given, certificates={"ca": "PEM"})
    assert in_namespaces(documents, "ConfigMap") == {
        (namespace, f"privacy-gateway-{name}")
        for namespace in ("video", "crm")
        for name in ("agent", "policy", "contracts", "ca")
    }


def test_one_certificate_for_each_service_account_says_who_it_is() -> None:
    documents = rendered(certificates={"mode": "cert-manager", "issuer": {"name": "internal"}})
    assert in_namespaces(documents, "Certificate") == {
        (namespace, f"privacy-gateway-tls-{account}") for namespace, account in (one.split("/") for one in SERVICES)
    }
    assert find(documents, "Certificate", "privacy-gateway-tls-api", "crm")["spec"]["uris"] == [IDS[-1]]
    hub = find(documents, "Certificate", "privacy-gateway-hub-tls")
    assert hub["spec"]["dnsNames"] == ["privacy-gateway-hub.privacy-gateway.svc"]


@pytest.mark.parametrize("mode", ["existing", "csi-driver"])
def test_no_certificate_or_key_is_made_when_the_chart_is_rendered(mode: str) -> None:
    documents = rendered(certificates={"mode": mode, "issuer": {"name": "internal"}})
    assert {"Secret", "Certificate"}.isdisjoint(one["kind"] for one in documents)


def test_the_hub_takes_releases_of_those_service_accounts_and_of_nobody_else() -> None:
    def agents(documents: list[Manifest]) -> Any:
        configuration = find(documents, "ConfigMap", "privacy-gateway-hub")["data"]["gateway.yaml"]
        return yaml.safe_load(configuration)["listeners"]["delivery"]["agents"]

    assert agents(rendered()) == IDS
    assert agents(rendered(hub={"agents": ["agent.example"]})) == ["agent.example", *IDS]


def test_an_agent_keeps_nothing_unless_it_is_told_to() -> None:
    def configuration(documents: list[Manifest]) -> Any:
        return yaml.safe_load(find(documents, "ConfigMap", "privacy-gateway-agent", "crm")["data"]["gateway.yaml"])

    plain, keeping = configuration(rendered()), configuration(rendered(agent={"outbox": {"enabled": True}}))
    assert {"outbox", "state"}.isdisjoint(plain)
    assert (keeping["outbox"], keeping["state"]) == ({}, "/var/lib/privacy-gateway/state")
