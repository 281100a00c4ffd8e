"""gRPC servers, one for each address that the gateway listens on: their limits, and how they start and stop."""

from __future__ import annotations

import socket
from typing import Final

import grpc

from gateway.config import Delivery, Inbound, Local, Outbound
from gateway.errors import BadConfig
from gateway.receivers.bounds import Options, bounds
from gateway.receivers.proxy.upstream import LOOKAHEAD_BYTES

MAX_LOCAL_CALLS: Final = 512
"""Calls at once on `local`, at most; more are told when to come back."""


class Listener:
    """A server on one address."""

    def __init__(
        self, name: str, given: Local | Outbound | Inbound | Delivery, credentials: grpc.ServerCredentials | None = None
    ) -> None:
        """`name` is the key of `given` in the configuration. Without credentials it is plaintext."""
        self.name = name
        self.server = grpc.aio.server(options=_options(given))
        self._address = given.address
        self._credentials = credentials

    async def start(self) -> str:
        """Listen; the address with the port that was free where 0 was asked for. Raises BadConfig."""
        address = self._address
        if is_taken(address):
            raise BadConfig(f"listeners.{self.name}.address: can't listen on {address}, where another program does")
        try:
            port = self._add_port(address)
        except RuntimeError as error:
            raise BadConfig(f"listeners.{self.name}.address: can't listen on {address}") from error
        await self.server.start()
        return address if address.startswith("unix:") else f"{address.rpartition(':')[0]}:{port}"

    def _add_port(self, address: str) -> int:
        if self._credentials is None:
            return self.server.add_insecure_port(address)
        return self.server.add_secure_port(address, self._credentials)

    async def stop(self, grace: float) -> None:
        """Take no new calls, let those in flight take `grace` seconds more."""
        await self.server.stop(grace)


def _options(given: Local | Outbound | Inbound | Delivery) -> Options:
    options: Options = [
        ("grpc.max_receive_message_length", given.max_message_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.so_reuseport", 0),
        *bounds(MAX_LOCAL_CALLS if isinstance(given, Local) else given.max_calls),
    ]
    if not isinstance(given, Local):
        options += [
            ("grpc.http2.bdp_probe", 0),
            ("grpc.http2.lookahead_bytes", LOOKAHEAD_BYTES),
            ("grpc.max_connection_age_ms", int(given.max_connection_age * 1000)),
            ("grpc.max_connection_age_grace_ms", int(given.max_connection_grace * 1000)),
        ]
    return options


def is_taken(address: str) -> bool:
    """Whether something listens there already. gRPC doesn't tell.

    It takes a Unix socket over, and binds one address of localhost where another is taken.
    """
    host, _, port = address.rpartition(":")
    try:
        if host == "unix":
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(port)
        else:
            socket.create_connection((host.strip("[]"), int(port)), timeout=1.0).close()
    except OSError:
        return False
    return True
