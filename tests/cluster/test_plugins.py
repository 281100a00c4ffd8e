"""Clusters whose server changes pods by plugins of its own."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.cluster.cluster import started
from tests.cluster.objects import container, pod
from tests.cluster.release import VALUES, Release

pytestmark = pytest.mark.cluster


def test_where_images_are_always_pulled_the_gateway_s_is_too() -> None:
    asked = pod(container(imagePullPolicy="Never"))
    with (
        TemporaryDirectory() as folder,
        started(Path(folder), "--enable-admission-plugins=AlwaysPullImages") as cluster,
    ):
        release = Release(cluster)
        release.prepare()
        release.apply(VALUES)
        made = cluster.api.create(asked, dry_run=True)["spec"]
        again = cluster.api.create({**asked, "spec": made}, dry_run=True)["spec"]
    assert [one["imagePullPolicy"] for one in made["initContainers"] + made["containers"]] == ["Always", "Always"]
    assert again == made
