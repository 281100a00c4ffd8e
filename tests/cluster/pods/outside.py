"""What is outside of pods: servers that answer everybody, and the cluster's DNS. Each keeps who said what to it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Final, NamedTuple

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from tests.cluster.pods.network import Network

ANSWER: Final = b"answer"
MAX_BYTES: Final = 4096
TTL_SECONDS: Final = 5
DNS_PORT: Final = 53
KINDS: Final = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


class Place(NamedTuple):
    """Where somebody may be reached, by `tcp`, `udp` or `ping`, which has no port."""

    kind: str
    address: str
    port: int


class Outside:
    """Servers. `heard` is what was said to each so far."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.heard: dict[Place, list[bytes]] = {}
        self._names = names

    def serve(self, place: Place, listener: socket.socket) -> None:
        """Answer until the socket is shut down: accept(2) fails then, recvfrom(2) gets nothing."""
        self.heard[place] = []
        with suppress(OSError):
            while True:
                if place.kind == "udp":
                    said, sender = listener.recvfrom(MAX_BYTES)
                    if not said:
                        return
                    listener.sendto(self._answer(place, said), sender)
                else:
                    with listener.accept()[0] as connection:
                        connection.sendall(self._answer(place, connection.recv(MAX_BYTES)))

    def _answer(self, place: Place, said: bytes) -> bytes:
        self.heard[place].append(said)
        if place.port != DNS_PORT:
            return ANSWER
        if place.kind == "udp":
            return self._resolve(said)
        answer = self._resolve(said[2:])
        return len(answer).to_bytes(2, "big") + answer

    def _resolve(self, asked: bytes) -> bytes:
        """The answer to a question about a name: the IPv4 address of those that are there."""
        query = dns.message.from_wire(asked)
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.AA | dns.flags.RA
        (question,) = query.question
        address = self._names.get(question.name.to_text(omit_final_dot=True))
        if address is None:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif question.rdtype == dns.rdatatype.A:
            answer.answer.append(dns.rrset.from_text(question.name, TTL_SECONDS, "IN", "A", address))
        return answer.to_wire()


@contextmanager
def serving(network: Network, places: Sequence[Place], names: Mapping[str, str]) -> Iterator[Outside]:
    """Serve at places of a network, for as long as the context lasts."""
    outside = Outside(names)
    with ExitStack() as stack:
        for address in dict.fromkeys(place.address for place in places):
            network.add_address(address)
        for place in places:
            listener = network.within(partial(_listener, place))
            thread = threading.Thread(target=outside.serve, args=(place, listener), daemon=True)
            thread.start()
            stack.callback(thread.join)
            stack.callback(listener.close)
            stack.callback(_shut_down, listener)
        yield outside


def _listener(place: Place) -> socket.socket:
    family = socket.AF_INET6 if ":" in place.address else socket.AF_INET
    listener = socket.socket(family, KINDS[place.kind])
    listener.bind((place.address, place.port))
    if place.kind == "tcp":
        listener.listen()
    return listener


def _shut_down(listener: socket.socket) -> None:
    # That nobody is at its other end is told, and whoever waits is woken all the same.
    with suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
