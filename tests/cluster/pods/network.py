"""Networks of pods: a namespace each, joined by a pair of interfaces to the one that stands for all that is outside.

Outside forwards between them, as nodes do. A service's address is one more address of the pod behind it, which comes to
the same as kube-proxy's rules where the port is the pod's own.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Final, TypeVar

NEW_NETWORK: Final = 0x40000000
"""CLONE_NEWNET of setns(2)."""

INTERFACE: Final = "eth0"
POD_ADDRESSES: Final = ("10.77.{}.2", "fd77:0:0:{}::2")
GATEWAYS: Final = ("10.77.{}.1", "fd77:0:0:{}::1")
ALL_GROUPS: Final = "0 2147483647"
"""Who may ping without a capability: containerd and CRI-O let everybody."""

Result = TypeVar("Result")


def run(*command: str) -> str:
    """What a program prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


class Network:
    """A network namespace."""

    def __init__(self, name: str, interface: str, addresses: Sequence[str]) -> None:
        self.name = name
        self._interface = interface
        self.addresses = addresses

    @property
    def path(self) -> Path:
        """What a process joins."""
        return Path("/run/netns") / self.name

    def ip(self, *arguments: str) -> str:
        """What ip(8) says in it."""
        return run("ip", "-netns", self.name, *arguments)

    def add_address(self, address: str) -> None:
        """Give it an address of its own, which no neighbour is asked about first."""
        self.ip("address", "add", _whole(address), "dev", self._interface, *_at_once(address))

    def forget_neighbours(self) -> None:
        """Empty its neighbour cache: whoever is called next is looked for first."""
        for family in ("-4", "-6"):
            self.ip(family, "neighbour", "flush", "all")

    def within(self, act: Callable[[], Result]) -> Result:
        """What a function comes to in it. Sockets that it makes stay there."""
        results: list[Result] = []
        errors: list[BaseException] = []

        def enter() -> None:
            try:
                _enter(self.path)
                results.append(act())
            except BaseException as error:  # noqa: BLE001 - raised again, where it is waited for
                errors.append(error)

        # Only its own thread leaves the machine's network.
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        for error in errors:
            raise error
        return results[0]


class Networks:
    """Outside, and the networks of pods behind it."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._names: list[str] = []
        self.outside: Network

    def open(self) -> None:
        """Make outside, which has all its own addresses on its loopback."""
        self.outside = self._add("outside", "lo", ())
        for setting in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
            self.outside.within(partial(_set, setting, "1"))

    def add_pod(self) -> Network:
        """A pod's network, with an address of each family."""
        number = len(self._names)
        pod = self._add(f"pod{number}", INTERFACE, [address.format(number) for address in POD_ADDRESSES])
        link = f"pod{number}"
        self.outside.ip("link", "add", link, "type", "veth", "peer", "name", INTERFACE, "netns", pod.name)
        for network, name, addresses in ((self.outside, link, GATEWAYS), (pod, INTERFACE, POD_ADDRESSES)):
            for address, prefix in zip(addresses, ("/24", "/64"), strict=True):
                network.ip("address", "add", address.format(number) + prefix, "dev", name, *_at_once(address))
            network.ip("link", "set", name, "up")
        pod.within(partial(_set, "net.ipv4.ping_group_range", ALL_GROUPS))
        for address in GATEWAYS:
            pod.ip("route", "add", "default", "via", address.format(number))
        return pod

    def route(self, address: str, pod: Network) -> None:
        """Have calls to an address end in a pod, as those to a service's do."""
        pod.add_address(address)
        self.outside.ip("route", "add", _whole(address), "via", pod.addresses[ip_address(address).version == 6])

    def close(self) -> None:
        """Take all of them away."""
        for name in self._names:
            subprocess.run(("ip", "netns", "delete", name), check=False)

    def _add(self, kind: str, interface: str, addresses: Sequence[str]) -> Network:
        name = f"{self._prefix}-{kind}"
        run("ip", "netns", "add", name)
        self._names.append(name)
        network = Network(name, interface, addresses)
        network.ip("link", "set", "lo", "up")
        return network


@contextmanager
def networks() -> Iterator[Networks]:
    """Networks of a name that nobody else has."""
    made = Networks(f"pg-{uuid.uuid4().hex[:8]}")
    try:
        made.open()
        yield made
    finally:
        made.close()


def _enter(path: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(descriptor, NEW_NETWORK):
            raise OSError(ctypes.get_errno(), f"setns {path}")
    finally:
        os.close(descriptor)


def _set(setting: str, value: str) -> None:
    # What is there is the network of the thread that looks.
    Path("/proc/sys", *setting.split(".")).write_text(value)


def _whole(address: str) -> str:
    return f"{address}/{ip_address(address).max_prefixlen}"


def _at_once(address: str) -> Sequence[str]:
    return ("nodad",) if ":" in address else ()
