"""How soon the image takes calls, and the memory that it takes while it idles: printed, for pods to ask for."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.image.builder import Image
from tests.image.container import CONFIGURATION, Container
from tests.support.proxy_certificates import certificate_for, dns, write_tls

pytestmark = pytest.mark.image

STARTS: Final = 3
MIB: Final = 1 << 20
IDLE_SECONDS: Final = 2.0
MAX_IDLE_BYTES: Final = 104 * MIB
"""A tenth more than it took when this was written: whoever exceeds it sees to the memory that pods ask for."""

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


def _write_certificates(image: Image, folder: Path) -> None:
    folder.mkdir()
    write_tls(folder, certificate_for(dns("localhost")))
    user, _, group = image.config.user.partition(":")
    for path in (folder, *folder.iterdir()):
        os.chown(path, int(user), int(group))
