"""The lock holds: nothing of a pod but its gateway reaches the network, and whoever could get out isn't admitted.

Each way to lock, by nft and by iptables, holds the same.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Mapping
from functools import partial
from typing import Any, Final, NamedTuple

import pytest

from tests.cluster.pods.outside import DNS_PORT, Place
from tests.cluster.pods.places import APP, BOTH, INTERNET, RESOLVERS, SERVED, WHO_REACHES
from tests.cluster.pods.pod import Pod
from tests.cluster.pods.programs import FOLDER, PYTHON, idle
from tests.cluster.pods.site import LOCKED, OPEN, UNGUARDED, Site

pytestmark = pytest.mark.cluster

REACH: Final = (FOLDER / "reach.py").read_text()
CALL_SECONDS: Final = 60
GATEWAY_UID: Final = 14317
QUESTION: Final = "1234010000010000000000000361626304746573740000010001"
"""A DNS message that asks for the address of abc.test (RFC 1035)."""

REFUSED: Final = frozenset({"ECONNREFUSED", "EHOSTUNREACH", "EACCES", "EPERM"})
AT_ONCE_SECONDS: Final = 0.9
"""Less than it takes TCP to try once more, and far more than an answer of the same machine."""


class Attempt(NamedTuple):
    """What came of an attempt to reach a place: `reached`, or an error's name."""

    outcome: str
    seconds: float


def said(place: Place) -> bytes:
    """What a container sends there: a question to DNS, by TCP with its length, and nothing of note elsewhere."""
    question = bytes.fromhex(QUESTION)
    if place.port != DNS_PORT:
        return b"hello"
    return question if place.kind == "udp" else len(question).to_bytes(2, "big") + question


def attempts(site: Site, pod: Pod, name: str) -> dict[Place, Attempt]:
    """What a container of a pod reaches, whose neighbours have to be found first."""
    pod.network.forget_neighbours()
    site.node.network.forget_neighbours()
    told = json.loads(pod.running[name].execute(PYTHON, "-c", REACH, asked(*WHO_REACHES)))
    return {place: Attempt(*found) for place, found in zip(WHO_REACHES, told, strict=True)}


def heard(site: Site) -> dict[Place, int]:
    """How often each place was told what containers are made to send there."""
    return {place: site.outside.heard[place].count(said(place)) for place in SERVED}


def asked(*places: Place) -> str:
    """What `reach.py` is told to try."""
    return json.dumps([[*place, said(place).hex()] for place in places])


def refused_packets(pod: Pod, lock: str) -> int:
    """What the lock has counted so far."""
    if lock == "nft":
        told = pod.run_beside("privacy-gateway-lock", command=["nft", "list", "counters"], args=[])
        return int(re.findall(r"packets (\d+)", told)[0])
    listing = ["-w", "-xvnL", "privacy_refuse"]
    told = "".join(
        pod.run_beside("privacy-gateway-lock", command=[run, *listing], args=[]) for run in ("iptables", "ip6tables")
    )
    return sum(map(int, re.findall(r"(?m)^ *(\d+) +\d+ +REJECT ", told)))


@pytest.mark.parametrize("lock", sorted(LOCKED))
def test_it_lets_out_the_gateway_alone_and_what_it_refuses_is_told_at_once_and_counted(site: Site, lock: str) -> None:
    site.apply(LOCKED[lock])
    reached: dict[Place, set[str]] = {place: set() for place in WHO_REACHES}
    before = heard(site)
    with site.idling(site.service()) as pod:
        # Kubelet runs init containers once more where it has lost them.
        pod.run_beside("privacy-gateway-lock")
        for name in sorted(BOTH):
            packets = refused_packets(pod, lock)
            found = attempts(site, pod, name)
            refused = {place: attempt for place, attempt in found.items() if attempt.outcome != "reached"}
            for place in found.keys() - refused.keys():
                reached[place].add(name)
            assert {attempt.outcome for attempt in refused.values()} <= REFUSED, found
            assert max(attempt.seconds for attempt in refused.values()) < AT_ONCE_SECONDS, found
            assert refused_packets(pod, lock) - packets == len(refused), found
    assert reached == WHO_REACHES
    assert heard(site) == {place: before[place] + len(WHO_REACHES[place]) for place in SERVED}


@pytest.mark.parametrize("lock", sorted(LOCKED))
def test_who_calls_the_pod_is_answered(site: Site, lock: str) -> None:
    site.apply(LOCKED[lock])
    with site.idling(site.service()) as pod:
        for address in pod.network.addresses:
            site.node.network.forget_neighbours()
            pod.network.forget_neighbours()
            connect = partial(socket.create_connection, (address, idle.PORT), timeout=CALL_SECONDS)
            with site.node.network.within(connect) as connection:
                assert connection.recv(len(idle.ANSWER)) == idle.ANSWER


def test_without_it_everything_is_open(site: Site) -> None:
    site.apply(OPEN)
    with site.idling(site.service()) as pod:
        assert {attempt.outcome for attempt in attempts(site, pod, APP).values()} == {"reached"}


SPOOFS: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "runtimes-root": ("setuid", {"runAsUser": 0}),
    "root-with-setuid": (
        "setuid",
        {"runAsUser": 0, "capabilities": {"drop": ["ALL"], "add": ["SETUID"]}, "allowPrivilegeEscalation": False},
    ),
    "root-that-gives-files-away": (
        "program",
        {"runAsUser": 0, "capabilities": {"drop": ["ALL"], "add": ["CHOWN", "FOWNER"]}},
    ),
}
"""By the names of containers: how each becomes the gateway's user, and what its security context says."""


def test_who_can_become_the_gateways_user_gets_out_and_is_not_admitted(site: Site) -> None:
    reach = (PYTHON, "/app/reach.py", asked(Place("tcp", INTERNET[0], 443)))
    site.apply(UNGUARDED)
    with site.idling(site.service(**{name: security for name, (_, security) in SPOOFS.items()})) as pod:
        for name, (how, _) in SPOOFS.items():
            container = pod.running[name]
            spoof = (PYTHON, "/app/become.py", how, str(GATEWAY_UID), *reach)
            told = [json.loads(container.execute(*command))[0][0] for command in (reach, spoof)]
            assert told == ["ECONNREFUSED", "reached"], name
    site.apply(LOCKED["nft"])
    for name, (_, security) in SPOOFS.items():
        assert site.refusal(site.service(**{name: security})).startswith(
            f"the container {name} could undo the lock of the pod's network: "
        )


def test_a_dns_server_that_the_pod_names_is_open_to_it_and_not_admitted(site: Site) -> None:
    manifest = site.service()
    manifest["spec"]["dnsConfig"] = {"nameservers": [INTERNET[0]]}
    site.apply(UNGUARDED)
    with site.idling(manifest) as pod:
        found = attempts(site, pod, APP)
    assert {place.address for place in found if place.port == DNS_PORT and found[place].outcome == "reached"} == {
        *RESOLVERS,
        INTERNET[0],
    }
    site.apply(LOCKED["nft"])
    assert site.refusal(manifest).startswith("the pod names DNS servers of its own, ")
