"""The image, built once for all its tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest

from tests.image.builder import Image, build

MEMORY: Final = Path("/dev/shm")
"""Half a gigabyte of small files: on a disk they take as long to delete as to build."""


@pytest.fixture(scope="session")
def image() -> Iterator[Image]:
    with TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield build(Path(folder))
