"""How soon the image takes calls, and the memory that it takes while it idles: printed, for pods to ask for."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import pytest

from tests.image.builder import Image
from tests.image.container import Container

pytestmark = pytest.mark.image

STARTS: Final = 5
MIB: Final = 1 << 20
IDLE_SECONDS: Final = 2.0


def test_every_start_is_ready_and_ends_in_order(
    image: Image, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds, processor, sizes = [], [], []
    for _ in range(STARTS):
        with Container(image, tmp_path) as container:
            seconds.append(container.wait_until_ready())
            processor.append(container.cpu)
            time.sleep(IDLE_SECONDS)
            sizes.append(container.rss)
            assert container.stop() == 0
    with capsys.disabled():
        print(
            f"\n{STARTS} starts: ready {min(seconds):.2f} to {max(seconds):.2f} s after the process began, of which "
            f"{min(processor):.2f} to {max(processor):.2f} s of a processor; idle {max(sizes) / MIB:.1f} MiB"
        )
