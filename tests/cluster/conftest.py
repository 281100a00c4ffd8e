"""The cluster and the chart's release in it, once for all tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.cluster.cluster import Cluster, started
from tests.cluster.release import Release


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with TemporaryDirectory() as folder, started(Path(folder)) as found:
        yield found


@pytest.fixture(scope="session")
def release(cluster: Cluster) -> Release:
    """The release, not yet installed: a module has its own values applied."""
    made = Release(cluster)
    made.prepare()
    return made
