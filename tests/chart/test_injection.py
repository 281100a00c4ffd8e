"""The policy puts in what the table says, and both policies know a pod's gateway again by the same table."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest
import yaml

from tests.chart import helm, matrix
from tests.chart.helm import Manifest, find

pytestmark = pytest.mark.chart

CASES: Final = [pytest.param(case, id=case.stem) for case in matrix.cases()]
EVERYTHING: Final[Mapping[str, Any]] = {"injection": {"mode": "policy"}, "admission": {"enabled": True}}
LOCK_ALONE: Final[Mapping[str, Any]] = {"lock": {"enabled": True, "image": "nft"}}
POLICIES: Final = (
    ("MutatingAdmissionPolicy", "inject.privacy.kannelle.com"),
    ("ValidatingAdmissionPolicy", "pods.privacy.kannelle.com"),
)


def literal(expression: str) -> Any:
    """The value of a literal in CEL, whose variables stand in it as {name} again."""
    text = re.sub(r'" \+ variables\.(\w+) \+ "', r"{\1}", expression)
    text = re.sub(r'variables\.(\w+) \+ "', r'"{\1}', text)
    text = re.sub(r'" \+ variables\.(\w+)', r'{\1}"', text)
    text = re.sub(r"dyn\(variables\.(\w+)\)", r'dyn("{\1}")', text)
    words = {"true": "True", "false": "False", "null": "None"}
    return ast.literal_eval(
        re.sub(r"dyn\((true|false|null)\)", lambda found: words[found[1]], text).replace("dyn(", "(")
    )


def variables(documents: list[Manifest], kind: str, name: str) -> Mapping[str, str]:
    return {one["name"]: one["expression"] for one in find(documents, kind, name)["spec"]["variables"]}


@pytest.mark.parametrize(("kind", "name"), POLICIES)
@pytest.mark.parametrize("case", CASES)
def test_the_policies_are_made_of_the_table(case: Any, kind: str, name: str) -> None:
    documents = helm.render({**helm.values_of(case), **EVERYTHING})
    table = yaml.safe_load(find(documents, "ConfigMap", "privacy-gateway-injection")["data"]["table.yaml"])
    found = variables(documents, kind, name)
    assert literal(found["wanted"]) == table["initContainers"]
    assert literal(found["volumes"]) == table["volumes"]
    for setting, said in table["settings"].items():
        assert said["annotation"] in found[setting]
        assert f'orValue("{said["default"]}")' in found[setting]


def empty(value: Any, place: str = "") -> Iterator[str]:
    """Places of empty texts and lists."""
    if value in ("", []):
        yield place
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from empty(inner, f"{place}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from empty(inner, f"{place}[{index}]")


@pytest.mark.parametrize("values", [*(helm.values_of(case) for case in matrix.cases()), LOCK_ALONE])
def test_a_container_says_nothing_that_the_server_would_leave_out(values: Mapping[str, Any]) -> None:
    documents = helm.render({**values, **EVERYTHING})
    table = yaml.safe_load(find(documents, "ConfigMap", "privacy-gateway-injection")["data"]["table.yaml"])
    assert list(empty([table["initContainers"], table["volumes"]])) == []


@pytest.mark.parametrize(("kind", "name"), POLICIES)
def test_pods_of_the_cluster_and_of_the_release_are_left_alone(kind: str, name: str) -> None:
    constraints = find(helm.render({}), kind, name)["spec"]["matchConstraints"]
    label, namespaces = constraints["namespaceSelector"]["matchExpressions"]
    assert (label["key"], label["values"]) == ("privacy.kannelle.com/inject", ["enabled"])
    assert set(namespaces["values"]) == {"kube-system", "kube-public", "kube-node-lease", "privacy-gateway"}
    (rule,) = constraints["resourceRules"]
    assert rule["operations"] == ["CREATE"]


@pytest.mark.parametrize("name", ["inject", "pods", "changes", "exec", "exempt", "ephemeral-containers", "namespaces"])
def test_a_policy_that_fails_refuses_and_is_bound(name: str) -> None:
    documents = helm.render({})
    full = f"{name}.privacy.kannelle.com"
    kind = "MutatingAdmissionPolicy" if name == "inject" else "ValidatingAdmissionPolicy"
    assert find(documents, kind, full)["spec"]["failurePolicy"] == "Fail"
    assert find(documents, f"{kind}Binding", full)["spec"]["policyName"] == full


def test_every_refusal_is_of_the_table_and_says_what_to_change() -> None:
    values = {"agent": {"outbox": {"enabled": True, "volume": "ephemeral"}}, "lock": {"enabled": True, "image": "nft"}}
    documents = helm.render(values)
    table = yaml.safe_load(find(documents, "ConfigMap", "privacy-gateway-injection")["data"]["table.yaml"])
    policy = find(documents, "ValidatingAdmissionPolicy", "pods.privacy.kannelle.com")
    said = [
        re.sub(r'" \+ .*? \+ "', "{}", one["messageExpression"]).strip('"') for one in policy["spec"]["validations"]
    ]
    texts = [re.sub(r"\{\w+\}", "{}", text.strip()) for text in table["refusals"].values()]
    assert sorted(said) == sorted(texts)
    assert all(re.search("give|take|list|set|run as|rename|create|patch|may", text) for text in texts)


@pytest.mark.parametrize(("kind", "name", "variable"), [(*POLICIES[0], "inPlace"), (*POLICIES[1], "taken")])
def test_an_image_of_before_is_known_again_only_where_values_name_it(kind: str, name: str, variable: str) -> None:
    before = {"admission": {"images": ["gateway:1"]}}
    assert '.image in ["gateway:1"]' in variables(helm.render(before), kind, name)[variable]
    assert ".image in" not in variables(helm.render({}), kind, name)[variable]


def test_the_gateway_s_uid_is_one_that_no_common_image_uses() -> None:
    table = yaml.safe_load(find(helm.render({}), "ConfigMap", "privacy-gateway-injection")["data"]["table.yaml"])
    uid = table["initContainers"][-1]["securityContext"]["runAsUser"]
    assert uid > 9999
    assert uid not in {65532, 65534, 10001}
