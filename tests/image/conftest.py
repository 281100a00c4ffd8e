"""The image, built once for all its tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.image.builder import Image
from tests.image.kept import gateway_image, image_folder


@pytest.fixture(scope="session")
def image() -> Iterator[Image]:
    with image_folder() as folder:
        yield gateway_image(folder)
