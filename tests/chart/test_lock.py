"""The lock of a pod's network: which rules it makes, by nft and by iptables, and where it stands in the pod."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.chart import helm
from tests.chart.helm import Manifest, find, render

pytestmark = pytest.mark.chart

SCRIPT: Final = helm.CHART / "files" / "lock.sh"
RESOLV_CONF: Final = "search svc\nnameserver 10.96.0.10\nnameserver fd96::a%eth0\n"
ALLOW: Final[Mapping[str, str]] = {"ALLOW": "10.20.0.0/16 fd20::/64"}
LOCKED: Final[Mapping[str, Any]] = {"lock": {"enabled": True, "image": "nft", "allow": ["10.20.0.0/16", "fd20::/64"]}}


def program(folder: Path, name: str, body: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def run(folder: Path, allow: Mapping[str, str] = ALLOW) -> subprocess.CompletedProcess[str]:
    """Run the script with no programs but those of a folder, and `command` and `echo`, which are the shell's."""
    (folder / "resolv.conf").write_text(RESOLV_CONF)
    environ = {
        "PATH": str(folder),
        "GATEWAY_UID": "14317",
        "RESOLV_CONF": str(folder / "resolv.conf"),
        "OUT": str(folder / "out"),
        **allow,
    }
    return subprocess.run(
        ("/bin/sh", str(SCRIPT)), env=environ, capture_output=True, text=True, check=False, timeout=30
    )


def test_nft_gets_one_table_in_one_transaction(tmp_path: Path) -> None:
    program(tmp_path, "nft", 'while IFS= read -r line; do echo "$line"; done >"$OUT"')
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out").read_text() == Path(__file__).with_name("lock.nft").read_text()


def test_without_ranges_only_their_rules_are_missing(tmp_path: Path) -> None:
    program(tmp_path, "nft", 'while IFS= read -r line; do echo "$line"; done >"$OUT"')
    done = run(tmp_path, {})
    assert done.returncode == 0, done.stderr
    rules = Path(__file__).with_name("lock.nft").read_text().splitlines()
    ranges = [rule for rule in rules if "10.20.0.0/16" in rule or "fd20::/64" in rule]
    assert (tmp_path / "out").read_text().splitlines() == [rule for rule in rules if rule not in ranges]
    assert len(ranges) == len(ALLOW["ALLOW"].split())


def test_iptables_stands_in_for_both_families_where_nft_is_missing(tmp_path: Path) -> None:
    for name in ("iptables", "ip6tables"):
        program(tmp_path, name, f'echo "{name} $*" >>"$OUT"; case $* in *-C*) exit 1;; esac')
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out").read_text() == Path(__file__).with_name("lock.iptables").read_text()


def test_an_image_without_either_does_not_start_the_pod(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert (done.returncode, done.stderr) == (1, "privacy-gateway-lock: the image has neither nft nor iptables\n")


def test_a_rule_that_is_refused_does_not_start_the_pod(tmp_path: Path) -> None:
    program(tmp_path, "nft", "exit 3")
    assert run(tmp_path).returncode == 3


def containers(documents: list[Manifest]) -> Any:
    return yaml.safe_load(find(documents, "ConfigMap", "privacy-gateway-injection")["data"]["table.yaml"])[
        "initContainers"
    ]


def test_it_comes_before_the_gateway_as_root_with_one_capability_and_ends() -> None:
    lock, gateway = containers(render(LOCKED))
    assert (lock["name"], gateway["name"]) == ("privacy-gateway-lock", "privacy-gateway")
    assert lock["args"] == [SCRIPT.read_text()]
    assert lock["securityContext"]["capabilities"] == {"add": ["NET_ADMIN"], "drop": ["ALL"]}
    assert "restartPolicy" not in lock
    assert [container["name"] for container in containers(render({}))] == ["privacy-gateway"]


def test_the_script_holds_nothing_that_a_manifest_or_the_table_would_replace() -> None:
    text = SCRIPT.read_text()
    assert "$(" not in text
    assert not [name for name in ("podNamespace", "serviceAccount", "cpuLimit") if f"{{{name}}}" in text]


@pytest.mark.parametrize(("values", "said"), [(LOCKED, "The lock is ON."), ({}, "The lock is OFF:")])
def test_the_notes_say_what_is_open_both_ways(values: Mapping[str, Any], said: str) -> None:
    given = {
        **values,
        "namespaces": [{"name": "video", "serviceAccounts": ["editor"]}],
        "injection": {"mode": "manifests"},
        "admission": {"enabled": False},
    }
    printed = helm.run("install", "privacy", str(helm.CHART), "--dry-run=client", given=given)
    assert said in printed.partition("\nNOTES:\n")[2]
