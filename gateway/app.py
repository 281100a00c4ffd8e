"""The only assembly: what talks to what, and how it starts and stops."""

from __future__ import annotations

import asyncio
import logging
import resource
import signal
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import grpc
import uvloop

from gateway.config import Config
from gateway.contracts.contract import Contract
from gateway.contracts.load import default_path as default_contract
from gateway.contracts.load import load as load_contracts
from gateway.delivery.direct import Direct, Load
from gateway.directory import Unknown
from gateway.errors import BadConfig
from gateway.exporters.base import Exporter
from gateway.exporters.jsonl import Jsonl
from gateway.exporters.null import Null
from gateway.exporters.otlp import Otlp
from gateway.minimise.flows import Flows
from gateway.policy import document
from gateway.policy.compile import Compiler
from gateway.policy.load import PolicyFile
from gateway.policy.load import default_path as default_policy
from gateway.policy.load import load as load_policy
from gateway.receivers import emit, otlp, privacy
from gateway.receivers.guard import Guard
from gateway.receivers.intake import Intake

log = logging.getLogger(__name__)

CALLS: Final = 512
"""Calls at once, at most; more are told when to come back. From twice as many on, gRPC itself refuses them without that."""

GRACE: Final = 10.0
"""How long calls in flight may take at a stop, in seconds."""


class Gateway:
    """One running gateway."""

    def __init__(self, config: Config, file: PolicyFile, contract: Contract, given: Mapping[str, Exporter] | None = None) -> None:
        """Compile everything and open the exporters, before anything listens; `given` ones replace the policy's. Raises BadSetup."""
        flows = Flows(Compiler(contract, file))
        opened = exporters(config, file.policy, contract) if given is None else given
        self._delivery = Direct(opened, bound=Load(config.delivery.max_items, config.delivery.max_bytes))
        self._server = _server(config)
        self._address = config.listeners.local.address
        directory, guard = Unknown(), Guard(CALLS)
        intake = Intake(directory, self._delivery)
        for receiver in (emit, otlp):
            self._server.add_generic_rpc_handlers(tuple(receiver.handlers(lambda: flows, intake, guard)))
        self._server.add_generic_rpc_handlers(tuple(privacy.handlers(lambda: flows, directory, guard)))

    async def start(self) -> str:
        """Listen; the address with the port that was free where 0 was asked for. Raises BadConfig."""
        if _is_taken(self._address):
            raise BadConfig(f"listeners.local.address: can't listen on {self._address}, where another program does")
        try:
            port = self._server.add_insecure_port(self._address)
        except RuntimeError as error:
            raise BadConfig(f"listeners.local.address: can't listen on {self._address}") from error
        await self._server.start()
        return self._address if self._address.startswith("unix:") else f"{self._address.rpartition(':')[0]}:{port}"

    async def stop(self) -> None:
        """Take no new calls, let those in flight finish, close the exporters."""
        await self._server.stop(GRACE)
        await self._delivery.close(GRACE)


def load_all(config: Config) -> tuple[PolicyFile, Contract]:
    """The policy and the contracts that a configuration names, or Kannelle's own. Raises BadSetup."""
    return load_policy(config.policy or default_policy()), load_contracts(config.contracts or (default_contract(),))


def exporters(config: Config, policy: document.Policy, contract: Contract) -> Mapping[str, Exporter]:
    """The exporter of each destination that a flow feeds. Raises BadConfig."""
    fed = {name for names in policy.flows.values() for name in names}
    return {name: _exporter(name, policy.destinations[name].exporter, config.state, contract) for name in sorted(fed)}


def _exporter(name: str, given: document.Exporter, state: Path, contract: Contract) -> Exporter:
    match given:
        case document.JsonlExporter():
            path = given.path if given.path == "-" else str(state / (given.path or f"{name}.jsonl"))
            return Jsonl(path, contract.message_class, max_bytes=given.max_bytes, backups=given.backups)
        case document.OtlpExporter():
            return Otlp(given.endpoint, compression=given.compression, timeout=given.timeout, ca=given.ca)
        case document.NullExporter():
            return Null()


def _server(config: Config) -> grpc.aio.Server:
    options: list[tuple[str, Any]] = [
        ("grpc.max_receive_message_length", config.listeners.local.max_message_bytes),
        ("grpc.so_reuseport", 0),
    ]
    return grpc.aio.server(options=options, maximum_concurrent_rpcs=2 * CALLS)


def _is_taken(address: str) -> bool:
    """Whether somebody listens there. gRPC doesn't mind: it takes a Unix socket over, and is content with one address of localhost's."""
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


def serve(config: Config) -> int:
    """Run until SIGTERM or SIGINT. Raises BadSetup."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _hush(logging.getLogger("grpc"))
    return uvloop.run(_serve(config, *load_all(config)))


def _hush(library: logging.Logger) -> None:
    """Let nobody hear a library: gRPC logs paths and the texts of exceptions, which may hold values."""
    library.addHandler(logging.NullHandler())
    library.propagate = False


async def _serve(config: Config, file: PolicyFile, contract: Contract) -> int:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_report)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    gateway = Gateway(config, file, contract)
    log.info("listening on %s, policy %s", await gateway.start(), file.path)
    await stopping.wait()
    log.info("stopping")
    await gateway.stop()
    return 0


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Say that something failed without its text, which may hold values."""
    log.error("a task failed: %s", type(context.get("exception")).__name__)
