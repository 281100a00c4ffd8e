"""Alerts and dashboard are queries over metrics that there are; monitors find the ports; `helm test` tests the hub."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import promql_parser
import pytest
import yaml

from gateway.telemetry.metrics import METRICS, PROCESS_METRICS
from tests.chart import helm
from tests.chart.helm import Manifest, find, render
from tests.e2e.test_metrics import HISTOGRAM, selectors

pytestmark = pytest.mark.chart

VALUES: Final = helm.values_of(helm.VALUES / "cert-manager.yaml")

KUBE_STATE: Final[Mapping[str, frozenset[str]]] = {
    "kube_pod_service_account": frozenset({"namespace", "pod", "uid", "service_account"}),
    "kube_pod_status_phase": frozenset({"namespace", "pod", "uid", "phase"}),
    "kube_pod_init_container_info": frozenset({"namespace", "pod", "uid", "container", "image"}),
}
"""Metrics of kube-state-metrics: https://github.com/kubernetes/kube-state-metrics/blob/main/docs/metrics/workload/pod-metrics.md."""

OF_TARGETS: Final = frozenset({"namespace", "pod", "container", "le"})
"""Labels that Prometheus's operator gives every target of a PodMonitor, and a histogram's own."""

ASKED: Final = (
    "privacy_gateway_outbox_age_seconds",
    "privacy_gateway_resource_used_bytes",
    "privacy_gateway_dead_lettered_total",
    "privacy_gateway_items_total",
    "privacy_gateway_certificate_not_after_timestamp_seconds",
    "privacy_gateway_hub_up",
    "kube_pod_init_container_info",
)
"""What an operator must hear of: age and fill of the outbox, dead letters, refusals, expiry, the hub, pods without."""


def alerts() -> list[Any]:
    (group,) = find(render(VALUES), "PrometheusRule", "privacy-gateway")["spec"]["groups"]
    rules: list[Any] = group["rules"]
    return rules


def dashboard() -> Any:
    text = find(render(VALUES), "ConfigMap", "privacy-gateway-dashboard")["data"]["privacy-gateway.json"]
    return json.loads(text)


def queries() -> Iterator[str]:
    yield from (rule["expr"] for rule in alerts())
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"].replace("$__rate_interval", "5m").replace("$namespace", ".*")


def test_every_query_is_over_metrics_and_labels_that_there_are() -> None:
    known = {metric.exported_name: {*metric.labels, *OF_TARGETS} for metric in (*METRICS, *PROCESS_METRICS)}
    for query in queries():
        found = list(selectors(promql_parser.parse(query)))
        assert found, query
        for one in found:
            name = str(one.name)
            labels = known.get(name) or known.get(HISTOGRAM.sub("", name)) or KUBE_STATE[name]
            assert {matcher.name for matcher in one.matchers.matchers} <= set(labels), query


def test_what_an_operator_must_hear_of_has_its_alert() -> None:
    text = "\n".join(rule["expr"] for rule in alerts())
    assert [name for name in ASKED if name not in text] == []
    assert {rule["labels"]["severity"] for rule in alerts()} == {"warning", "critical"}


def test_an_alert_names_labels_that_its_query_leaves() -> None:
    for rule in alerts():
        grouped = re.match(r"sum by \(([^)]*)\)", rule["expr"])
        if grouped:
            named = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
            assert named <= set(grouped[1].split(", ")), rule["alert"]


def test_a_pod_of_an_exempt_service_is_not_missed() -> None:
    (missing,) = [rule for rule in alerts() if rule["alert"] == "PrivacyGatewayMissing"]
    assert 'kube_pod_service_account{namespace="video", service_account="batch"}' in missing["expr"]
    assert 'namespace=~"video|crm"' in missing["expr"]


def test_panels_do_not_overlap_and_each_has_a_title() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert panel["title"]
        assert not cells & taken
        taken |= cells


def ports(container: Mapping[str, Any]) -> set[str]:
    return {port["name"] for port in container["ports"]}


def test_monitors_name_ports_that_hub_and_agents_have() -> None:
    documents = render(VALUES)
    table = yaml.safe_load(find(documents, "ConfigMap", "privacy-gateway-injection")["data"]["table.yaml"])
    (hub,) = hub_pod(documents)["containers"]
    for name, container in (("hub", hub), ("agents", table["initContainers"][-1])):
        spec = find(documents, "PodMonitor", f"privacy-gateway-{name}")["spec"]
        assert {one["port"] for one in spec["podMetricsEndpoints"]} <= ports(container)
    agents = find(documents, "PodMonitor", "privacy-gateway-agents")["spec"]
    assert agents["selector"]["matchLabels"] == {table["label"]["key"]: table["label"]["value"]}
    assert agents["namespaceSelector"]["matchNames"] == ["video", "crm"]


def hub_pod(documents: list[Manifest]) -> Any:
    return find(documents, "StatefulSet", "privacy-gateway-hub")["spec"]["template"]["spec"]


def test_helm_test_checks_the_hub_s_configuration_with_all_that_the_hub_has() -> None:
    documents = render(VALUES)
    test = find(documents, "Pod", "privacy-gateway-test")
    (container,), (hub,) = test["spec"]["containers"], hub_pod(documents)["containers"]
    assert test["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert container["args"] == ["config", "check", *hub["args"][1:]]
    assert (container["volumeMounts"], container["env"]) == (hub["volumeMounts"], hub["env"])
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in test["spec"]["volumes"]}
