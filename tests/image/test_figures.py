"""How soon the image takes calls, and the memory that it takes idle and busy: printed, for pods to ask for."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest
import yaml

from tests.bench.records import KINDS, RECORDS
from tests.bench.values import FRESH
from tests.image.builder import ROOT, Image
from tests.image.container import CONFIGURATION, Container
from tests.support.channels import CallStatus, blocking_channel, call
from tests.support.proxy_certificates import certificate_for, dns, write_tls

pytestmark = pytest.mark.image

STARTS: Final = 3
MIB: Final = 1 << 20
IDLE_SECONDS: Final = 2.0
MAX_IDLE_BYTES: Final = 101 * MIB
"""A tenth more than it took when this was written: whoever exceeds it sees to the memory that pods ask for."""

VALUES: Final = ROOT / "helm" / "privacy-gateway" / "values.yaml"
CALLERS: Final = 8
CALLS: Final = 6

AGENT: Final = {
    "PRIVACY_GATEWAY__ROLE": "agent",
    "PRIVACY_GATEWAY__HUB__ADDRESS": "hub.invalid:14007",
    **{
        f"PRIVACY_GATEWAY__TLS__{key}": f"{CONFIGURATION}/{name}"
        for key, name in (("CERTIFICATE", "tls.crt"), ("KEY", "tls.key"), ("CA", "ca.crt"))
    },
}


@pytest.mark.parametrize(("role", "environ"), [("all", {}), ("agent", AGENT)])
def test_every_start_is_ready_and_ends_in_order(
    role: str, environ: Mapping[str, str], image: Image, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _write_certificates(image, tmp_path / "config")
    seconds, processor, sizes = [], [], []
    for _ in range(STARTS):
        with Container(image, tmp_path, environ=environ) as container:
            seconds.append(container.wait_until_ready())
            processor.append(container.cpu)
            time.sleep(IDLE_SECONDS)
            sizes.append(container.rss)
            assert container.stop() == 0
    with capsys.disabled():
        print(
            f"\nrole {role}, {STARTS} starts: ready {min(seconds):.2f} to {max(seconds):.2f} s after the process began, "
            f"of which {min(processor):.2f} to {max(processor):.2f} s of a processor; idle {max(sizes) / MIB:.1f} MiB"
        )
    assert max(sizes) <= MAX_IDLE_BYTES


def test_pods_ask_for_the_memory_that_a_busy_one_takes(
    image: Image, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By services that send all they have at once. A pod may take twice that, before it is ended for it."""
    with Container(image, tmp_path) as container:
        container.wait_until_ready()
        with ThreadPoolExecutor(CALLERS) as callers:
            failed = [one for one in callers.map(_export_all, [container.address] * CALLERS) if one is not None]
        peak = container.peak
    with capsys.disabled():
        print(f"\nbusy, {CALLERS} callers of {RECORDS} records a call: at most {peak / MIB:.1f} MiB")
    assert failed == []
    for name in ("agent", "hub"):
        resources = _resources(name)
        assert peak <= 1.1 * resources["requests"], (name, peak / MIB)
        assert resources["limits"] >= 2 * resources["requests"]


def _export_all(address: str) -> CallStatus | None:
    """Make calls one after another; how one failed, if one did."""
    with blocking_channel(address) as channel:
        for _ in range(CALLS):
            for kind in KINDS:
                answer: bytes | CallStatus = call(channel, kind.signal.method, kind.batch(FRESH))
                if isinstance(answer, CallStatus):
                    return answer
    return None


def _resources(name: str) -> dict[str, int]:
    """The memory that the chart's values ask for and allow, in bytes."""
    resources = yaml.safe_load(VALUES.read_text(encoding="utf-8"))[name]["resources"]
    return {kind: int(said["memory"].removesuffix("Mi")) * MIB for kind, said in resources.items()}


def _write_certificates(image: Image, folder: Path) -> None:
    folder.mkdir()
    write_tls(folder, certificate_for(dns("localhost")))
    user, _, group = image.config.user.partition(":")
    for path in (folder, *folder.iterdir()):
        os.chown(path, int(user), int(group))
