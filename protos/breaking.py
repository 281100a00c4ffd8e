"""Ask buf whether the protos break what others build on.

They are compared with the last release's; before there is one, with those of origin/main or else the last commit where
they differ. `python protos/breaking.py [REVISION]` exits with 100 on a break, as buf does. Reads the local repository
only.
"""

from __future__ import annotations

import io
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
RESET: Final = "e648b54342cf0e5cbe75b1e6683bf8fee9c0e5057b4e01a19277bb075beaa084"
"""What the protos were, by their `digest`, when their words became the field's, before the first release.

Nothing is compared with those. From then on every break is one.
"""

BUF: Final = Path(sysconfig.get_path("scripts"), "buf")


def git(*arguments: str) -> bytes:
    """What git prints; nothing where it fails or isn't there."""
    try:
        return subprocess.run(["git", "-C", str(ROOT), *arguments], check=True, capture_output=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return b""


def names(*arguments: str) -> list[str]:
    """The revisions that git prints, one a line."""
    return git(*arguments).decode().split()


def revisions() -> list[str]:
    """What the protos may be compared with, best first."""
    earlier = [
        *names("merge-base", "HEAD", "origin/main"),
        *names("log", "--first-parent", "--format=%H", "--", "protos"),
    ]
    return names("describe", "--tags", "--abbrev=0") or earlier


def unpack(revision: str, folder: Path) -> Path:
    """Lay a revision's protos out below `folder`; nothing where it has none."""
    content = git("archive", "--format=zip", revision, "buf.yaml", "protos")
    if content:
        zipfile.ZipFile(io.BytesIO(content)).extractall(folder)
    return folder


def protos(root: Path) -> dict[str, bytes]:
    """Every proto below `root`, by path."""
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in (root / "protos").rglob("*.proto")}


def digest(files: dict[str, bytes]) -> str:
    """SHA-256 of protos, in hexadecimal."""
    return sha256(
        b"".join(b"%s\0%d\0%s" % (path.encode(), len(files[path]), files[path]) for path in sorted(files))
    ).hexdigest()


def compare(earlier: Path) -> int:
    """Buf's verdict."""
    return subprocess.run([BUF, "breaking", str(ROOT), "--against", str(earlier)], check=False).returncode


def main(asked: list[str]) -> int:
    """Compare with the first revision whose protos differ."""
    now = protos(ROOT)
    with tempfile.TemporaryDirectory() as folder:
        for revision in asked or revisions():
            earlier = unpack(revision, Path(folder) / revision)
            files = protos(earlier)
            if files and digest(files) == RESET:
                break
            if files not in ({}, now):
                print(f"protos: compared with {revision[:12]}", flush=True)
                return compare(earlier)
    print("protos: none that differ to compare with")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
