"""One site for all tests of pods: they say which values they need, and what is there already stays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.cluster import started
from tests.cluster.pods import images
from tests.cluster.pods.site import Site, built
from tests.image.kept import image_folder


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("site")
    (folder / "cluster").mkdir()
    with (
        image_folder() as unpacked,
        started(folder / "cluster") as cluster,
        built(cluster, images.unpacked(unpacked), folder) as site,
    ):
        yield site
