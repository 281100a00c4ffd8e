"""Runs in a container: says of each place whether it is reached, or by which error it isn't, and how long that took.

`python reach.py '[["tcp", "192.0.2.1", 443, "68656c6c6f"], …]'` says what the digits stand for to each place.
"""

from __future__ import annotations

import errno
import json
import socket
import sys
import time

TIMEOUT_SECONDS = 5.0
ECHO_REQUESTS = {socket.AF_INET: b"\x08", socket.AF_INET6: b"\x80"}
"""Types of messages: RFC 792, RFC 4443."""


def made(kind: str, family: socket.AddressFamily) -> socket.socket:
    """Return a socket of a kind; `ping` is one that needs no capability: icmp(7)."""
    if kind == "ping":
        protocol = socket.IPPROTO_ICMPV6 if family == socket.AF_INET6 else socket.IPPROTO_ICMP
        return socket.socket(family, socket.SOCK_DGRAM, protocol)
    return socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)


def reach(kind: str, address: str, port: int, said: bytes) -> str:
    """Return `reached`, or an error's name."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with made(kind, family) as connection:
        connection.settimeout(TIMEOUT_SECONDS)
        try:
            connection.connect((address, port))
            # Code, checksum, identifier and number: the kernel knows better.
            connection.send(ECHO_REQUESTS[family] + bytes(7) + said if kind == "ping" else said)
            return "reached" if connection.recv(4096) else "closed"
        except TimeoutError:
            return "ETIMEDOUT"
        except OSError as error:
            return errno.errorcode[error.errno or 0]


def main(places: str) -> None:
    """Print a list of outcomes and seconds."""
    told = []
    for kind, address, port, said in json.loads(places):
        began = time.monotonic()
        told.append([reach(kind, address, port, bytes.fromhex(said)), time.monotonic() - began])
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1])
