"""The images that pods run: the gateway's own, and one for each way to lock a network."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

from tests.image.builder import Image, ImageConfig, debian_suite, unpack_debian
from tests.image.kept import gateway_image, kept

REPOSITORY: Final = "registry.test/gateway"
TAG: Final = "test"
GATEWAY: Final = f"{REPOSITORY}:{TAG}"
LOCKS: Final = {"nft": "registry.test/nft:1", "iptables": "registry.test/iptables:1"}
"""Images by what locks a network in them."""

PACKAGES: Final = {"nft": ("dash", "nftables"), "iptables": ("dash", "iptables")}
"""Of Debian: a shell, and what locks."""

LINKS: Final = {"iptables": "iptables-nft", "ip6tables": "ip6tables-nft"}
"""In `/usr/sbin`: what the packages make when they are configured."""

NO_DEFAULTS: Final = ImageConfig(user="", env=["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], entrypoint=[], cmd=[], labels={})


def unpacked(folder: Path) -> Mapping[str, Image]:
    """All images, by name."""
    locks = {
        name: kept(f"lock-{kind}", debian_suite(), folder, partial(_build, PACKAGES[kind]))
        for kind, name in LOCKS.items()
    }
    return {GATEWAY: gateway_image(folder), **locks}


def _build(packages: tuple[str, ...], folder: Path) -> Image:
    root = folder / "root"
    unpack_debian(root, packages)
    for name, target in LINKS.items():
        if (root / "usr/sbin" / target).exists():
            (root / "usr/sbin" / name).symlink_to(target)
    return Image(root, NO_DEFAULTS)
