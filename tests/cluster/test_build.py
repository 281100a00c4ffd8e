"""Who lacks Go, or has an old one, is told so; the program isn't built for these tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster import build

OLD = 'echo "go: go.mod requires go >= 1.26.0 (running go 1.22.1)" >&2; exit 1'


@pytest.mark.parametrize(("script", "said"), [(None, "finds none"), (OLD, "running go 1.22.1")])
def test_go_that_is_missing_or_too_old_is_named(
    script: str | None, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if script is not None:
        (tmp_path / "go").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "go").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match=f"Needs Go 1.26 or newer.*{said}"):
        build.build(tmp_path)
    assert not (tmp_path / "controlplane").exists()


def test_the_version_is_that_of_go_mod() -> None:
    assert f"k8s.io/kubernetes {build.version()}" in (build.SOURCE / "go.mod").read_text()
