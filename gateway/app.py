"""One running gateway: how it starts, reloads and stops. See `assembly.py` for what talks to what."""

from __future__ import annotations

import asyncio
import gc
import logging
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import uvloop

from gateway import __version__
from gateway.assembly import Assembly, assemble
from gateway.config import Config, Tls
from gateway.contracts.load import default_path as default_contract
from gateway.delivery import Delivery
from gateway.inforce import Switch
from gateway.loading import LoadedPolicy, PolicyLoader, PolicySource, load_sources
from gateway.preflight import preflight
from gateway.receivers.health import SERVICE as HEALTH
from gateway.receivers.health import Health
from gateway.receivers.reflection import Reflection
from gateway.receivers.uncaught_errors import UncaughtErrors
from gateway.reload import FileStamps, FileWatcher, Reloader, read_stamps
from gateway.services import services
from gateway.telemetry import Telemetry
from gateway.telemetry.checks import Readiness, failing
from gateway.telemetry.log import LogFields
from gateway.yamlfile import NO_ORIGIN, Origin

if TYPE_CHECKING:
    from gateway import tls
    from gateway.receivers.http import Http

log = logging.getLogger(__name__)

SWITCH_INTERVAL_SECONDS: Final = 0.0002
"""How long one thread may keep Python to itself when others want it.

A call and its commit ask for it some thirty times: with the usual 5 ms, costly work would hold up all calls.
"""

CANCELLED_CALLS_SECONDS: Final = 2.0
"""How long calls that a stop has cut off may take to be logged, and a reload to let go of what it opens, in seconds."""


class Gateway:
    """One running gateway."""

    def __init__(
        self,
        config: Config,
        substitute: Delivery | None = None,
        *,
        source: PolicySource = load_sources,
        origin: Origin = NO_ORIGIN,
    ) -> None:
        """Check and compile everything and open what is kept, before anything listens. Raises BadSetup.

        A `substitute` takes the place of the role's own. `origin` tells the configuration's lines.
        """
        loader = PolicyLoader(config, source)
        tls_paths = partial(_tls_paths, config.tls)
        policy_stamps, tls_stamps = read_stamps(loader.files.paths), read_stamps(tls_paths)
        checked = preflight(config, origin, loader.load, exports=substitute is None)
        certificates = None if config.tls is None else _read_certificates(config.tls)
        parts = assemble(config, checked, certificates, Telemetry(), substitute)
        self.telemetry = parts.telemetry
        self.delivery = parts.delivery_setup.delivery
        self._parts = parts
        self._reloaders: tuple[Reloader[LoadedPolicy] | Reloader[tls.Material], ...] = (
            _policy_reloader(parts, loader, policy_stamps),
            *_tls_reloader(parts, tls_paths, tls_stamps),
        )
        self._services = tuple(services(parts))
        self._health = Health()
        self._http = None if config.listeners.http is None else self._open_http()
        self._serving = failing("serving", "STARTING", needed=True)
        self._tasks = list[asyncio.Task[None]]()
        parts.telemetry.add_resources(self._health.uses())

    async def start(self) -> Mapping[str, str]:
        """Listen; the address of each listener that is on, with the port that was free where 0 was asked for.

        Raises BadConfig.
        """
        config = self._parts.config
        self._parts.access.start()
        self._parts.delivery_setup.start()
        addresses = {service.name: await service.server.start() for service in self._services}
        if config.listeners.health is not None:
            reflection = Reflection((HEALTH,)) if config.reflection else None
            addresses["health"] = await self._health.start(config.listeners.health.address, reflection)
        if self._http is not None and config.listeners.http is not None:
            addresses["http"] = await self._http.start(config.listeners.http.address)
        self._tasks += [asyncio.create_task(reloader.run()) for reloader in self._reloaders]
        self._health.serving()
        self._serving = self._serving.with_cause("")
        return addresses

    def reload(self) -> None:
        """Look at all files again, now."""
        for reloader in self._reloaders:
            reloader.request()

    async def stop(self) -> None:
        """Say so, take no new calls, let those in flight finish, close the exporters."""
        parts, stop = self._parts, self._parts.config.stop
        self._serving = self._serving.with_cause("STOPPING")
        self._health.not_serving()
        await self._stop_reloading()
        parts.proxied.close()
        parts.streamed.close()
        await asyncio.sleep(stop.notice)
        await self._stop_services(stop.grace)
        await parts.access.stop()
        if parts.tracer is not None:
            await parts.tracer.close()
        await parts.delivery_setup.close(stop.grace)
        await parts.switch.opener.upstreams.close()
        await self._health.stop()
        if self._http is not None:
            await self._http.stop()
        parts.offload.close()

    async def _stop_reloading(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CANCELLED_CALLS_SECONDS)

    async def _stop_services(self, grace: float) -> None:
        """End calls, for `grace` seconds at most, and wait until those of proxies are logged."""
        for service in self._services:
            if service.hub is not None:
                service.hub.drain()
        await asyncio.gather(*(service.server.stop(grace) for service in self._services))
        guards = [service.guard for service in self._services if service.guard is not None]
        await asyncio.gather(*(guard.emptied(CANCELLED_CALLS_SECONDS) for guard in guards))

    def _open_http(self) -> Http:
        from gateway.receivers.http import Http  # noqa: PLC0415 where nobody reads metrics, nobody waits for OpenTelemetry

        return Http(self._readiness, self._parts.telemetry)

    def _readiness(self) -> Readiness:
        certificates = self._parts.certificates
        return Readiness.of(
            (
                self._serving,
                *(reloader.check for reloader in self._reloaders),
                *self._parts.delivery_setup.checks(),
                *(() if certificates is None else certificates.checks()),
            )
        )


class CertificateSwitch:
    """Has the gateway connect with other certificates, and tells when those in use expire."""

    def __init__(self, certificates: tls.Certificates, telemetry: Telemetry, switch: Switch) -> None:
        self._certificates = certificates
        self._telemetry = telemetry
        self._switch = switch
        self._tell_expiry()

    def replace(self, material: tls.Material) -> None:
        """Connect with this certificate from now on."""
        if self._certificates.swap(material):
            self._tell_expiry()
            self._switch.reconnect()

    def _tell_expiry(self) -> None:
        self._telemetry.set_certificate_expiry(
            {one.certificate: one.not_after.timestamp() for one in self._certificates.expiries}
        )


def _policy_reloader(parts: Assembly, loader: PolicyLoader, stamps: FileStamps) -> Reloader[LoadedPolicy]:
    """What loads policy and contracts anew; `stamps` are of before they were first read."""
    current = parts.current
    watcher = FileWatcher(
        lambda: loader.files.paths(current.files()), stamps, interval_seconds=parts.config.reload.every
    )
    return Reloader("policy", watcher, loader.load, parts.switch.replace, parts.telemetry)


def _tls_reloader(
    parts: Assembly, paths: Callable[[], Iterable[Path]], stamps: FileStamps
) -> Iterator[Reloader[tls.Material]]:
    """Yield what loads the certificates anew, if there are any."""
    settings, certificates = parts.config.tls, parts.certificates
    if settings is not None and certificates is not None:
        from gateway import tls  # noqa: PLC0415 as below

        watcher = FileWatcher(paths, stamps, interval_seconds=parts.config.reload.every)
        replace = CertificateSwitch(certificates, parts.telemetry, parts.switch).replace
        yield Reloader("tls", watcher, partial(tls.read, settings), replace, parts.telemetry)


def _read_certificates(settings: Tls) -> tls.Certificates:
    """The certificates that the files hold now. Raises BadTls."""
    from gateway import tls  # noqa: PLC0415 without TLS a gateway needn't hold what reads certificates: 8 MiB

    return tls.Certificates(tls.read(settings))


def _tls_paths(settings: Tls | None) -> tuple[Path, ...]:
    return () if settings is None else (settings.certificate, settings.key, settings.ca)


def serve(config: Config, origin: Origin = NO_ORIGIN) -> int:
    """Run until SIGTERM or SIGINT. `origin` tells the configuration's lines. Raises BadSetup.

    Garbage is collected from when it has started, whether or not it was before.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    _silence(logging.getLogger("grpc"))
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    return uvloop.run(_serve(config, origin))


def _silence(library: logging.Logger) -> None:
    """Silence a library's loggers: gRPC logs paths and the texts of exceptions, which may hold values."""
    library.addHandler(logging.NullHandler())
    library.propagate = False


def _request_stop(stopping: asyncio.Future[signal.Signals], number: signal.Signals) -> None:
    """Note the first signal that asks the gateway to stop."""
    if not stopping.done():
        stopping.set_result(number)


async def _serve(config: Config, origin: Origin) -> int:
    loop = asyncio.get_running_loop()
    uncaught_errors = UncaughtErrors()
    uncaught_errors.install(loop)
    stopping: asyncio.Future[signal.Signals] = loop.create_future()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _request_stop, stopping, number)
    gateway = Gateway(config, origin=origin)
    uncaught_errors.count_in(gateway.telemetry)
    addresses = await gateway.start()
    loop.add_signal_handler(signal.SIGHUP, gateway.reload)
    # What is there now stays: collecting garbage needn't look at it again.
    gc.collect()
    gc.freeze()
    gc.enable()
    contracts = [*map(str, config.contracts or (default_contract(),))]
    log.info("started", extra=LogFields(version=__version__, role=config.role, contracts=contracts))
    for name, address in addresses.items():
        log.info("%s listening on %s", name, address)
    requested_by = await stopping
    log.info("stopping", extra=LogFields(signal=requested_by.name))
    begun = time.monotonic()
    await gateway.stop()
    log.info("stopped", extra=LogFields(seconds=round(time.monotonic() - begun, 3)))
    return 0
