"""What the image is made of, and what it says of itself."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, distributions
from importlib.util import cache_from_source
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from gateway import __version__
from tests.image.builder import ROOT, SHELLS, VERSION, Image, context_files

pytestmark = pytest.mark.image

COMMON_USERS: Final = {0, 1000, 1001, 1337, 2102, 65532, 65534}
"""Users of images that others build: their containers beside the gateway must not pass for it."""


def _packages(image: Image) -> Path:
    (found,) = (image.root / "opt/privacy-gateway/lib").glob("python3.*/site-packages")
    return found


def _needed(installed: Mapping[NormalizedName, Distribution], name: NormalizedName) -> Iterator[str]:
    """A distribution, and all that it asks for without an extra, and so on."""
    yield name
    for text in installed[name].requires or ():
        asked = Requirement(text)
        if asked.marker is None or asked.marker.evaluate({"extra": ""}):
            yield from _needed(installed, canonicalize_name(asked.name))


def test_a_build_is_sent_what_the_image_is_made_of_and_nothing_else(tmp_path: Path) -> None:
    command = ("git", "ls-files", "pyproject.toml", "README.md", "gateway", "clients/python")
    tracked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert context_files(tmp_path) == set(tracked)


def test_it_runs_as_a_user_that_no_other_image_has(image: Image) -> None:
    user, group = map(int, image.config.user.split(":"))
    assert user == group
    assert user not in COMMON_USERS


def test_its_labels_say_what_it_is(image: Image) -> None:
    prefix = "org.opencontainers.image."
    told = {name.removeprefix(prefix): value for name, value in image.config.labels.items() if name.startswith(prefix)}
    assert told.pop("description")
    assert told == {
        "title": "kannelle-privacy-gateway",
        "vendor": "Kannelle",
        "licenses": "LicenseRef-Proprietary",
        "version": VERSION,
        "revision": "cafe",
    }


def test_it_holds_what_the_gateway_needs_and_no_more(image: Image) -> None:
    installed = {canonicalize_name(one.name): one for one in distributions(path=[str(_packages(image))])}
    name = canonicalize_name("kannelle-privacy-gateway")
    assert installed[name].version == __version__
    assert set(installed) == set(_needed(installed, name))


def test_it_needs_no_shell_and_keeps_nothing_of_its_build(image: Image) -> None:
    left = (*SHELLS, "etc/pip.conf", "src", "root/.cache")
    assert [path for path in left if (image.root / path).exists()] == []


def test_all_modules_are_compiled_those_of_python_too(image: Image) -> None:
    (standard,) = image.root.glob("usr/lib/python3.*")
    modules = [path for folder in (standard, _packages(image)) for path in folder.rglob("*.py")]
    assert {"gateway", "asyncio"} <= {path.parent.name for path in modules}
    assert [path for path in modules if not Path(cache_from_source(path)).exists()] == []


def test_no_volume_is_made_behind_a_read_only_root(image: Image) -> None:
    assert image.config.volumes == {}
