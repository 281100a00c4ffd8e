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
KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


def reach(kind: str, address: str, port: int, said: bytes) -> str:
    """Return `reached`, or an error's name."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, KINDS[kind]) as connection:
        connection.settimeout(TIMEOUT_SECONDS)
        try:
            connection.connect((address, port))
            connection.send(said)
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
