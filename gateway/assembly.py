"""What works behind the listeners of one gateway: what talks to what, put together once.

Each step takes what it needs from those before it, and nothing is set afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import msgspec

from gateway.config import Config
from gateway.delivery import Delivery
from gateway.delivery.entries import EntryBuilder
from gateway.delivery.hash_secret import open_secret
from gateway.delivery.keys import Keys
from gateway.delivery.redecider import Redecider
from gateway.delivery.setup import DeliveryBase, DeliveryDeps, DeliverySetup
from gateway.directory import NoDirectory
from gateway.errors import BadConfig
from gateway.folder import FolderProblem, fix_problems, make_folder, remove_legacy_plans
from gateway.inforce import Current, Opener, Switch
from gateway.loading import proxied_directions
from gateway.otlp.signals import TRACES
from gateway.pipeline.decide import Decider
from gateway.pipeline.offload import Offload
from gateway.preflight import Preflight
from gateway.receivers import otlp
from gateway.receivers.emit_call import EmitCall
from gateway.receivers.inflight import InFlight
from gateway.receivers.item_pipeline import ItemPipeline
from gateway.receivers.proxy.access_log import AccessLog
from gateway.receivers.proxy.route_table import BoundRoute
from gateway.receivers.proxy.upstream import Upstreams
from gateway.telemetry import Telemetry
from gateway.telemetry.traces import CallTracer

if TYPE_CHECKING:
    from gateway.tls import Certificates


class Assembly(msgspec.Struct, frozen=True):
    """All parts that listeners need, and that start and stop with the gateway.

    Without `certificates` nothing connects by TLS; without a `tracer`, traces are off.
    """

    config: Config
    certificates: Certificates | None
    telemetry: Telemetry
    keys: Keys
    offload: Offload
    decider: Decider
    redecider: Redecider
    current: Current
    switch: Switch
    delivery_setup: DeliverySetup
    pipeline: ItemPipeline
    access: AccessLog
    proxied: InFlight[BoundRoute]
    streamed: InFlight[EmitCall]
    tracer: CallTracer | None


def assemble(
    config: Config,
    checked: Preflight,
    certificates: Certificates | None,
    telemetry: Telemetry,
    substitute: Delivery | None,
) -> Assembly:
    """Open what is kept, and put the policy that was checked in force. On the event loop. Raises BadConfig.

    A `substitute` takes the place of the role's own.
    """
    if config.keeps_state:
        _prepare_state(config.state, checked.folder_problems)
    keys = Keys(open_secret(config))
    base = _delivery_base(config, certificates, telemetry, substitute)
    upstreams = Upstreams(_no_certificates if certificates is None else certificates.channel_credentials)
    opener = Opener(base.recipients, upstreams, certificates, proxied_directions(config))
    current = Current(opener.adopt(checked.loaded, opener.open(checked.loaded)))

    offload = Offload()
    decider = Decider(NoDirectory(), offload)
    redecider = Redecider(current.flows, decider)
    delivery_deps = DeliveryDeps(current.flows, current.exporters, redecider, telemetry)
    delivery_setup = DeliverySetup(config, base, delivery_deps, substitute)
    proxied = InFlight[BoundRoute](config.reload.grace, current.allows)
    streamed = InFlight[EmitCall](config.reload.grace, current.keeps)
    switch = Switch(current, opener, delivery_setup, telemetry, proxied, streamed)
    switch.begin()

    entries = EntryBuilder(keys, config.service)
    pipeline = ItemPipeline(decider, delivery_setup.delivery, entries, telemetry)
    access = AccessLog(current.flows, decider, delivery_setup.delivery.accept, entries, telemetry)
    # The gateway's own spans take the same path as a client's.
    own_spans = otlp.ExportHandler(TRACES, current.flows, pipeline)
    ratio = config.telemetry.traces.ratio
    telemetry.add_resources({"access_log": access.use, "subject_hashes": keys.use, **offload.uses()})
    return Assembly(
        config=config,
        certificates=certificates,
        telemetry=telemetry,
        keys=keys,
        offload=offload,
        decider=decider,
        redecider=redecider,
        current=current,
        switch=switch,
        delivery_setup=delivery_setup,
        pipeline=pipeline,
        access=access,
        proxied=proxied,
        streamed=streamed,
        tracer=_tracer(ratio, own_spans, telemetry) if ratio else None,
    )


def _delivery_base(
    config: Config, certificates: Certificates | None, telemetry: Telemetry, substitute: Delivery | None
) -> DeliveryBase:
    if substitute is not None:
        return DeliveryBase.empty(config)
    credentials = _no_certificates if certificates is None else certificates.versioned_credentials
    return DeliveryBase.open(config, credentials, telemetry)


def _tracer(ratio: float, own_spans: otlp.ExportHandler, telemetry: Telemetry) -> CallTracer:
    from gateway.telemetry.tracer import SpanTracer  # noqa: PLC0415 without traces nobody waits for OpenTelemetry

    return SpanTracer(ratio, own_spans.export, telemetry)


def _no_certificates() -> NoReturn:
    raise AssertionError("a configuration or policy that needs certificates doesn't load without `tls`")


def _prepare_state(state: Path, found: Iterable[FolderProblem]) -> None:
    """Make the state folder where it isn't, and put right what is wrong with it where it is. Raises BadConfig."""
    fix_problems(found)
    try:
        make_folder(state)
    except OSError as error:
        raise BadConfig(f"state: {state}: can't be made: {error.strerror}") from None
    remove_legacy_plans(state)
