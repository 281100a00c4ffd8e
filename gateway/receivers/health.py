"""gRPC health v1 on a server of its own, for probes. What is well is decided elsewhere.

The servicer that comes with grpcio-health-checking holds a lock while it writes: one watcher that doesn't read would
keep it from saying NOT_SERVING to anybody (seen with 1.83.2). So this has its own, with that library's messages.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from gateway.errors import BadConfig, ItemReason, Refused
from gateway.receivers.bounds import Options, bounds
from gateway.receivers.guard import Guard, Method
from gateway.receivers.incoming import Context, Incoming
from gateway.receivers.reflection import Reflection
from gateway.telemetry import ResourceUsage

SERVICE: Final = "grpc.health.v1.Health"

MAX_PROBES: Final = 64
"""Calls of `Check` at once."""

MAX_WATCHERS: Final = 64
"""Calls of `Watch` at once: they stay, so they have a room of their own."""

MAX_CONNECTIONS: Final = 256
"""Connections at once."""

MAX_IDLE_MS: Final = 30_000
"""How long a connection without calls is kept: a probe dials anew."""

MAX_REQUEST_BYTES: Final = 4096
"""The largest request."""

STOP_SECONDS: Final = 1.0
"""How long watchers may take to hear the last status."""


class Health:
    """Says whether the gateway serves: for `""`, the whole of it, and for each of the given services.

    At first it doesn't.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        """Call it on the event loop."""
        self._names = frozenset(("", *names))
        self._status: int = HealthCheckResponse.NOT_SERVING
        self._probes, self._watchers = Guard(MAX_PROBES), Guard(MAX_WATCHERS)
        self._stopping = self._ended = False
        self._turn = asyncio.Event()
        self._server: grpc.aio.Server | None = None

    def uses(self) -> Mapping[str, Callable[[], ResourceUsage]]:
        """Return what tells how many calls there are."""
        return {"health_probes": self._probes.use, "health_watchers": self._watchers.use}

    def serving(self) -> None:
        """Say from now on that it serves, unless it was said before that it no longer does."""
        if not self._stopping:
            self._turn_to(HealthCheckResponse.SERVING)

    def not_serving(self) -> None:
        """Say that it no longer serves, for good: the start of a graceful stop."""
        self._stopping = True
        self._turn_to(HealthCheckResponse.NOT_SERVING)

    async def start(self, address: str, reflection: Reflection | None = None) -> str:
        """Listen, with reflection if that is given, and return the address.

        It has the port that was free where 0 was asked for. Raises BadConfig.
        """
        server = grpc.aio.server(options=_options())
        server.add_generic_rpc_handlers((self._handlers(),))
        if reflection is not None:
            reflection.add_to(server)
        try:
            port = server.add_insecure_port(address)
        except RuntimeError as error:
            raise BadConfig(f"listeners.health.address: can't listen on {address}") from error
        await server.start()
        self._server = server
        return address if address.startswith("unix:") else f"{address.rpartition(':')[0]}:{port}"

    async def stop(self) -> None:
        """Tell watchers that it no longer serves, and hang up."""
        self._ended = True
        self.not_serving()
        if self._server is not None:
            await self._server.stop(STOP_SECONDS)

    def _turn_to(self, status: int) -> None:
        self._status = status
        self._turn.set()
        self._turn = asyncio.Event()

    def _handlers(self) -> grpc.GenericRpcHandler:
        methods: dict[str, Method] = {
            "Check": grpc.stream_unary_rpc_method_handler(self._probes.relay(self._check)),
            "Watch": grpc.stream_stream_rpc_method_handler(self._watchers.relay(self._watch)),
        }
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    async def _check(self, requests: Incoming, context: Context) -> bytes:
        if _service(await requests.only()) not in self._names:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such service")
        return _answer(self._status)

    async def _watch(self, requests: Incoming, context: Context) -> None:
        """Say the status, then each change of it; only the latest if the watcher is slow."""
        await self._tell(context, _service(await requests.only()) in self._names)

    async def _tell(self, context: Context, known: bool) -> None:
        last_status = None
        while True:
            turn = self._turn
            status = self._status if known else HealthCheckResponse.SERVICE_UNKNOWN
            if status != last_status:
                await context.write(_answer(status))
                last_status = status
            elif self._ended:
                return
            else:
                await turn.wait()


def _options() -> Options:
    limits: Options = [("grpc.max_receive_message_length", MAX_REQUEST_BYTES), ("grpc.so_reuseport", 0)]
    return limits + bounds(MAX_PROBES + MAX_WATCHERS, connections=MAX_CONNECTIONS, idle_ms=MAX_IDLE_MS)


def _service(raw: bytes) -> str:
    """Return the service that a request names. Raises Refused."""
    try:
        service: str = HealthCheckRequest.FromString(raw).service
    except DecodeError:
        raise Refused(ItemReason.MALFORMED) from None
    return service


def _answer(status: int) -> bytes:
    answer: bytes = HealthCheckResponse(status=status).SerializeToString()
    return answer
