"""The only assembly: what talks to what, how it starts, reloads and stops."""

from __future__ import annotations

import asyncio
import gc
import logging
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import grpc
import msgspec
import uvloop

from gateway import __version__, tls
from gateway.config import Config
from gateway.contracts.contract import Contract
from gateway.contracts.load import default_path as default_contract
from gateway.delivery import Delivery
from gateway.delivery.entries import AgentEntryBuilder, EntryBuilder
from gateway.delivery.keys import Keys
from gateway.delivery.redecider import Redecider
from gateway.delivery.setup import DeliveryDeps, DeliverySetup
from gateway.directory import NoDirectory
from gateway.errors import BadConfig
from gateway.folder import FolderProblem, fix_problems, make_folder, remove_legacy_plans
from gateway.inforce import Current, Switch
from gateway.listeners import CALLS, Listener
from gateway.loading import LoadedPolicy, PolicyFiles, compile_all, load_sources
from gateway.pipeline.decide import Decider
from gateway.pipeline.offload import Offload
from gateway.policy.document import TrafficDirection
from gateway.policy.load import PolicyFile
from gateway.preflight import KEY_FILE, preflight
from gateway.receivers import emit, otlp, privacy
from gateway.receivers.caller import Callers
from gateway.receivers.guard import Guard
from gateway.receivers.health import SERVICE as HEALTH
from gateway.receivers.health import Health
from gateway.receivers.http import Http
from gateway.receivers.hub import receiver as delivery
from gateway.receivers.hub.agent_log import AgentLog
from gateway.receivers.hub.rollout import Rollout
from gateway.receivers.inflight import InFlight
from gateway.receivers.intake import Intake
from gateway.receivers.otlp_http import OtlpHttp
from gateway.receivers.proxy.access_log import AccessLog
from gateway.receivers.proxy.proxy import CallerNames, Proxy, ProxyDeps
from gateway.receivers.proxy.route_table import BoundRoute
from gateway.receivers.proxy.upstream import Upstreams
from gateway.receivers.proxy.upstream_failures import UpstreamFailures
from gateway.receivers.reflection import Reflection
from gateway.receivers.strays import Strays
from gateway.reload import FileWatcher, Reloader
from gateway.signals import SIGNALS, TRACES
from gateway.telemetry import Telemetry
from gateway.telemetry.calls import ListenerCalls
from gateway.telemetry.checks import Readiness, failing
from gateway.telemetry.log import LogFields
from gateway.telemetry.traces import CallTracer
from gateway.yamlfile import NO_ORIGIN, Origin

log = logging.getLogger(__name__)

OWN_SERVICES: Final = (*(service.full_name for service in emit.SERVICES), privacy.SERVICE.full_name)
"""The gateway's own services on `local`, OTLP apart."""

SWITCH_INTERVAL_SECONDS: Final = 0.0002
"""How long one thread may keep Python to itself when others want it.

A call and its commit ask for it some thirty times: with the usual 5 ms, work that is costly would hold up everybody's
calls.
"""

CANCELLED_CALLS_SECONDS: Final = 2.0
"""How long calls that a stop has cut off may take to be logged, and a reload to let go of what it opens, in seconds."""

PolicySource = Callable[[Config], tuple[PolicyFile, Contract]]
"""Where policy and contracts come from."""


class Gateway:
    """One running gateway."""

    def __init__(
        self,
        config: Config,
        given: Delivery | None = None,
        *,
        source: PolicySource = load_sources,
        origin: Origin = NO_ORIGIN,
    ) -> None:
        """Check and compile everything and open what is kept, before anything listens. Raises BadSetup.

        A delivery that is `given` takes the place of the role's own. `origin` tells the configuration's lines.
        """
        self._config = config
        self._source = source
        self._current = Current()
        self._files = PolicyFiles(config, self._current.files)
        self._serving = failing("serving", "STARTING", needed=True)
        self._tasks: Sequence[asyncio.Task[None]] = ()
        self.telemetry = Telemetry()
        self._reloaders = tuple(self._watched())
        checked = preflight(config, origin, self._prepared, exports=given is None)
        self._certificates = None if config.tls is None else tls.Certificates(tls.read(config.tls))
        self._expire()
        self._upstreams = Upstreams(self._credentials)
        self._offload = Offload()
        self._decider = Decider(NoDirectory(), self._offload)
        self._redecider = Redecider(self._current.flows, self._decider)
        _prepare_state(config.state, checked.folder_problems)
        self._keys = Keys.read(config.state / KEY_FILE)
        around = DeliveryDeps(
            self._current.flows, self._current.exporters, self._redecider, self.telemetry, self._hub_credentials
        )
        self._delivery_setup = DeliverySetup(config, around, given)
        self.delivery = self._delivery_setup.delivery
        self._spans: CallTracer | None = None
        self._proxied = InFlight[BoundRoute](
            config.reload.grace, lambda bound: self._current.route_table().allows(bound)
        )
        self._streamed = InFlight[emit.Streamed](
            config.reload.grace, lambda streamed: streamed.lasts(self._current.flows())
        )
        self._switch = Switch(
            self._current, self._delivery_setup, self._upstreams, self.telemetry, self._certificates, self._review
        )
        self._switch.put(checked.loaded)
        packer = EntryBuilder(self._keys, config.service)
        self._pipeline = Intake(self._decider, self.delivery, packer, self.telemetry)
        self._access = AccessLog(self._current.flows, self._decider, self.delivery.accept, packer, self.telemetry)
        self._failures = UpstreamFailures(self.telemetry)
        self._health = Health()
        self._http = Http(self._readiness, self.telemetry)
        self.telemetry.add_resources(
            {
                "access_log": self._access.use,
                "subject_hashes": self._keys.use,
                **self._offload.uses(),
                **self._health.uses(),
            }
        )
        self._guards: list[Guard] = []
        self._hubs: list[delivery.HubReceiver] = []
        self._listeners = tuple(self._built())
        self._otlp_http = self._built_http()

    async def start(self) -> Mapping[str, str]:
        """Listen; the address of each listener that is on, with the port that was free where 0 was asked for.

        Raises BadConfig.
        """
        self._access.start()
        self._delivery_setup.start()
        if ratio := self._config.telemetry.traces.ratio:
            self._spans = CallTracer(ratio, self._own_spans, self.telemetry)
        addresses = {listener.name: await listener.start() for listener in self._listeners}
        listeners = self._config.listeners
        if self._otlp_http is not None:
            addresses["local_http"] = await self._otlp_http.start()
        if listeners.health is not None:
            reflection = Reflection((HEALTH,)) if self._config.reflection else None
            addresses["health"] = await self._health.start(listeners.health.address, reflection)
        if listeners.http is not None:
            addresses["http"] = await self._http.start(listeners.http.address)
        self._tasks = [asyncio.create_task(reloader.run()) for reloader in self._reloaders]
        self._health.serving()
        self._serving = self._serving.with_cause("")
        return addresses

    def reload(self) -> None:
        """Look at all files again, now."""
        for reloader in self._reloaders:
            reloader.request()

    async def stop(self) -> None:
        """Say so, take no new calls, let those in flight finish, close the exporters."""
        stop = self._config.stop
        self._serving = self._serving.with_cause("STOPPING")
        self._health.not_serving()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CANCELLED_CALLS_SECONDS)
        for calls in (self._proxied, self._streamed):
            calls.close()
        await asyncio.sleep(stop.notice)
        takers: list[Listener | OtlpHttp] = [*self._listeners, *([] if self._otlp_http is None else [self._otlp_http])]
        for hub in self._hubs:
            hub.drain()
        await asyncio.gather(*(taker.stop(stop.grace) for taker in takers))
        await asyncio.gather(*(guard.emptied(CANCELLED_CALLS_SECONDS) for guard in self._guards))
        await self._access.stop()
        if self._spans is not None:
            await self._spans.close()
        await self._delivery_setup.close(stop.grace)
        await self._upstreams.close()
        await self._health.stop()
        await self._http.stop()
        self._offload.close()
        self.telemetry.close()

    # What is in force, and how it changes.

    def _watched(self) -> Iterator[Reloader[Any]]:
        """What is loaded anew when its files change."""
        every, given = self._config.reload.every, self._config.tls
        watch = FileWatcher(self._files.paths, interval_seconds=every)
        yield Reloader("policy", watch, self._prepared, self._replace, self.telemetry)
        if given is not None:
            watch = FileWatcher(lambda: (given.certificate, given.key, given.ca), interval_seconds=every)
            yield Reloader("tls", watch, lambda: tls.read(given), self._swap, self.telemetry)

    def _prepared(self) -> LoadedPolicy:
        loaded = compile_all(self._config, *self._source(self._config))
        return msgspec.structs.replace(loaded, files=self._files.paths())

    async def _replace(self, loaded: LoadedPolicy) -> None:
        await self._switch.replace(loaded)

    def _review(self) -> None:
        """What is in force has changed: so have the terms of calls in flight, it may be."""
        self._proxied.review()
        self._streamed.review()

    def _swap(self, material: tls.Material) -> None:
        """Connect with another certificate from now on."""
        assert self._certificates is not None
        if self._certificates.swap(material):
            self._expire()
            self._switch.reconnect()

    def _expire(self) -> None:
        """Tell when the certificates in use expire."""
        if self._certificates is not None:
            self.telemetry.set_certificate_expiry(
                {one.certificate: one.not_after.timestamp() for one in self._certificates.expiries}
            )

    def _hub_credentials(self) -> tuple[int, grpc.ChannelCredentials]:
        """For the hub, with the generation of the certificate."""
        return 0 if self._certificates is None else self._certificates.generation, self._credentials()

    def _credentials(self) -> grpc.ChannelCredentials:
        """For upstreams. Policies that need them don't load without."""
        assert self._certificates is not None
        return self._certificates.channel_credentials()

    async def _own_spans(self, request: bytes) -> None:
        """The gateway's own spans go the way of anybody's."""
        await otlp.export(TRACES, self._current.flows(), self._pipeline, request)

    def _readiness(self) -> Readiness:
        certificates = () if self._certificates is None else self._certificates.checks()
        return Readiness.of(
            (
                self._serving,
                *(reloader.check for reloader in self._reloaders),
                *self._delivery_setup.checks(),
                *certificates,
            )
        )

    # Who listens.

    def _built(self) -> Iterator[Listener]:
        listeners, service = self._config.listeners, (self._config.service,)
        yield self._local(Listener("local", listeners.local))
        if listeners.outbound is not None:
            yield self._proxy(
                Listener("outbound", listeners.outbound),
                TrafficDirection.OUTBOUND,
                lambda context: service,
                listeners.outbound.max_calls,
            )
        if listeners.inbound is not None and self._certificates is not None:
            inbound = Listener("inbound", listeners.inbound, self._certificates.server_credentials())
            yield self._proxy(
                inbound, TrafficDirection.INBOUND, _certificate_identity(Callers()), listeners.inbound.max_calls
            )
        if listeners.delivery is not None and self._certificates is not None:
            hub = Listener("delivery", listeners.delivery, self._certificates.server_credentials())
            yield self._hub(hub, listeners.delivery.agents, listeners.delivery.max_calls)

    def _hub(self, listener: Listener, agents: tuple[str, ...], most: int) -> Listener:
        entries = AgentEntryBuilder(self._keys, self._current.flows)
        roll_out = Rollout(self._current.flows)
        hub = delivery.HubReceiver(
            agents,
            max(1, most // 2),
            Callers(),
            roll_out,
            self._redecider,
            entries.entry_of,
            self.delivery,
            self.telemetry,
            AgentLog(self.telemetry),
        )
        guard = Guard(most, ListenerCalls(listener.name, self.telemetry))
        self.telemetry.add_resources({"delivery_calls": guard.use})
        self.telemetry.add_services(listener.name, (delivery.SERVICE,))
        self._hubs.append(hub)
        listener.server.add_generic_rpc_handlers(tuple(delivery.handlers(hub, guard)))
        return listener

    def _local(self, listener: Listener) -> Listener:
        flows, intake, guard = (
            self._current.flows,
            self._pipeline,
            Guard(CALLS, ListenerCalls("local", self.telemetry, lambda: self._spans)),
        )
        self.telemetry.add_resources({"local_calls": guard.use})
        self.telemetry.add_services("local", (*OWN_SERVICES, *(one.service for one in SIGNALS)))
        listener.server.add_generic_rpc_handlers(tuple(emit.handlers(flows, intake, guard, self._streamed)))
        listener.server.add_generic_rpc_handlers(tuple(otlp.handlers(flows, intake, guard)))
        listener.server.add_generic_rpc_handlers(tuple(privacy.handlers(flows, self._decider, guard)))
        if self._config.reflection:
            Reflection(
                (*OWN_SERVICES, *(one.service for one in SIGNALS)), lambda: self._current.now.contract.pool
            ).add_to(listener.server)
        return listener

    def _built_http(self) -> OtlpHttp | None:
        given = self._config.listeners.local_http
        if given is None:
            return None
        self.telemetry.add_services("local_http", (one.service for one in SIGNALS))
        made = OtlpHttp(given, self._current.flows, self._pipeline, CALLS, ListenerCalls("local_http", self.telemetry))
        self.telemetry.add_resources(made.uses())
        return made

    def _proxy(self, listener: Listener, direction: TrafficDirection, caller_names: CallerNames, most: int) -> Listener:
        guard = Guard(most, turned_away=partial(self.telemetry.record_overload, direction))
        self.telemetry.add_resources({f"{direction}_calls": guard.use})
        self._guards.append(guard)
        deps = ProxyDeps(self._decider, guard, self._access, self._failures, self._proxied, lambda: self._spans)
        listener.server.add_generic_rpc_handlers((Proxy(direction, self._current.route_table, caller_names, deps),))
        return listener


def _certificate_identity(callers: Callers) -> CallerNames:
    return lambda context: callers.caller(context.auth_context(), time.time())


def _prepare_state(state: Path, found: Iterable[FolderProblem]) -> None:
    """Make the state folder where it isn't, and put right what is wrong with it where it is. Raises BadConfig."""
    fix_problems(found)
    try:
        make_folder(state)
    except OSError as error:
        raise BadConfig(f"state: {state}: can't be made: {error.strerror}") from None
    remove_legacy_plans(state)


def serve(config: Config, origin: Origin = NO_ORIGIN) -> int:
    """Run until SIGTERM or SIGINT. `origin` tells the configuration's lines. Raises BadSetup."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    _silence(logging.getLogger("grpc"))
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    return uvloop.run(_serve(config, origin))


def _silence(library: logging.Logger) -> None:
    """Let nobody hear a library: gRPC logs paths and the texts of exceptions, which may hold values."""
    library.addHandler(logging.NullHandler())
    library.propagate = False


async def _serve(config: Config, origin: Origin) -> int:
    loop = asyncio.get_running_loop()
    strays = Strays()
    strays.install(loop)
    asked: list[signal.Signals] = []
    stopping = asyncio.Event()

    def stop(number: signal.Signals) -> None:
        asked.append(number)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    gateway = Gateway(config, origin=origin)
    strays.count_in(gateway.telemetry)
    addresses = await gateway.start()
    loop.add_signal_handler(signal.SIGHUP, gateway.reload)
    # What is there now stays: collecting garbage needn't look at it again.
    gc.collect()
    gc.freeze()
    contracts = [*map(str, config.contracts or (default_contract(),))]
    log.info("started", extra=LogFields(version=__version__, role=config.role, contracts=contracts))
    for name, address in addresses.items():
        log.info("%s listening on %s", name, address)
    await stopping.wait()
    log.info("stopping", extra=LogFields(signal=asked[0].name))
    begun = time.monotonic()
    await gateway.stop()
    log.info("stopped", extra=LogFields(seconds=round(time.monotonic() - begun, 3)))
    return 0
