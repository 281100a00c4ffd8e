"""The configuration as written: one frozen struct for each mapping of the YAML document.

A key's docstring stands below it.

Only shapes live here. What must hold between them is checked in `checks.py`.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from gateway.yamlfile import SECONDS
from gateway.yamlfile.bounded import Variable

DEFAULT_STATE_FOLDER: Final = Path(".privacy-gateway")
"""The state folder where the configuration names none: in the working folder."""

SPIFFE_ID: Final = r"(?=.{1,2048}\Z)spiffe://[a-z0-9._-]{1,255}(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._-]+)+"
"""A workload's: https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md#2-spiffe-identity."""

DNS_NAME: Final = r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
"""In lower case and without a dot at its end: RFC 1123, section 2.1."""

Bytes = Annotated[int, Meta(ge=1024, le=256 * 1024 * 1024)]
Calls = Annotated[int, Meta(ge=1, le=1_000_000)]
Age = Annotated[float, SECONDS, Meta(gt=0, le=7 * 86400)]
Pause = Annotated[float, SECONDS, Meta(ge=0, le=3600)]
Name = Annotated[
    str,
    Meta(
        pattern=f"{SPIFFE_ID}|{DNS_NAME}",
        description="a SPIFFE ID, such as spiffe://example.org/video, or a DNS name in lower case",
    ),
]
Address = Annotated[str, Meta(description="host:port, such as 127.0.0.1:4317")]
HubAddress = Annotated[
    str,
    Meta(
        pattern=r"(?:\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?):[0-9]{1,5}",
        description="host:port, such as privacy-hub.kannelle.svc:14007",
    ),
]
Agent = Annotated[
    str,
    Meta(
        pattern=f"{SPIFFE_ID}(?:/\\*)?|{DNS_NAME}",
        description="a SPIFFE ID, such as spiffe://example.org/video or spiffe://example.org/apps/*, or a DNS name in "
        "lower case",
    ),
]


class Local(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the service beside the gateway calls: the emit services and OTLP/gRPC. Plaintext."""

    address: Address = "127.0.0.1:4317"
    """`host:port` on loopback, or `unix:/path`: the listener is plaintext, so that nothing else may reach it."""

    max_message_bytes: Bytes = 4 * 1024 * 1024
    """The largest message taken, in bytes, after decompression."""


class LocalHttp(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the service beside the gateway sends OTLP/HTTP. Plaintext."""

    address: Address = "127.0.0.1:4318"
    """`host:port` on loopback, or `unix:/path`."""

    max_message_bytes: Bytes = 4 * 1024 * 1024
    """The largest body taken, in bytes, as it arrives and after decompression."""


class Outbound(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the service beside the gateway calls other services. Plaintext."""

    address: Address = "127.0.0.1:14001"
    """`host:port` on loopback, or `unix:/path`."""

    max_message_bytes: Bytes = 4 * 1024 * 1024
    """The largest request taken, in bytes, after decompression, whatever its route allows."""

    max_calls: Calls = 4096
    """Calls at once; half of them at most on one connection."""

    max_connection_age: Age = 3600.0
    """How old a connection gets before it is told to leave (GOAWAY)."""

    max_connection_grace: Age = 300.0
    """How long calls in flight may take after that."""


class Inbound(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where other services call the one beside the gateway. TLS, both sides with a certificate."""

    address: Address = "0.0.0.0:14006"
    """`host:port`, or `unix:/path`."""

    max_message_bytes: Bytes = 4 * 1024 * 1024
    """The largest request taken, in bytes, after decompression, whatever its route allows."""

    max_calls: Calls = 4096
    """Calls at once; half of them at most on one connection."""

    max_connection_age: Age = 3600.0
    """How old a connection gets before it is told to leave (GOAWAY)."""

    max_connection_grace: Age = 300.0
    """How long calls in flight may take after that."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a hub's agents hand their releases over. TLS, both sides with a certificate."""

    address: Address = "0.0.0.0:14007"
    """`host:port`, or `unix:/path`."""

    agents: tuple[Agent, ...] = ()
    """Who may: SPIFFE IDs or DNS names of their certificates.

    One that ends in `/*` stands for all SPIFFE IDs below it. Empty is nobody.
    """

    max_message_bytes: Bytes = 16 * 1024 * 1024
    """The largest group of releases taken, in bytes."""

    max_calls: Calls = 4096
    """Streams at once; half of them at most from one agent's name."""

    max_connection_age: Age = 3600.0
    """How old a connection gets before it is told to leave (GOAWAY)."""

    max_connection_grace: Age = 300.0
    """How long streams in flight may take after that."""


class Health(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where gRPC health is asked. Plaintext; it carries no data."""

    address: Address = "0.0.0.0:14020"
    """`host:port`, or `unix:/path`. For Kubernetes probes it is on the pod's address."""


class Http(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where `/livez`, `/readyz` and `/metrics` are asked. Plaintext; it carries no data."""

    address: Address = "0.0.0.0:14022"
    """`host:port`."""


class Listeners(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the gateway listens.

    `outbound: {}` turns a listener on with its defaults, `local_http: null` turns one off.
    """

    local: Local = Local()
    """Emit services and OTLP/gRPC, for the service beside the gateway. Always on."""

    local_http: LocalHttp | None = LocalHttp()
    """OTLP/HTTP, for the service beside the gateway."""

    outbound: Outbound | None = None
    """That service's calls to others. Needs `service`."""

    inbound: Inbound | None = None
    """Other services' calls to that service. Needs `tls`."""

    delivery: Delivery | None = None
    """Agents, at a hub, which needs it. Needs `tls`."""

    health: Health | None = None
    """gRPC health, for probes."""

    http: Http | None = None
    """Probes and Prometheus over HTTP."""


class Tls(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Files in PEM, read again when they change."""

    certificate: Path
    """The gateway's own certificate, its chain behind it."""

    key: Path
    """The private key of that certificate, without a passphrase."""

    ca: Path
    """The certificates that verify callers, agents, upstreams and the hub."""


class HashSecret(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the secret of keyed hashes is, by one of two keys: 32 to 64 bytes, read at the start alone.

    Of text, white space around it doesn't count.
    """

    env: Variable | None = None
    """The environment variable that holds it."""

    file: Path | None = None
    """The file that holds it."""


class Stop(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the gateway leaves on SIGTERM."""

    notice: Pause = 0.0
    """How long health says NOT_SERVING before the first call is refused."""

    grace: Pause = 10.0
    """How long calls in flight may then take."""


class Reload(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How changed files come into force. SIGHUP looks at once."""

    every: Pause = 2.0
    """How often the files of policy, contracts, exporters and TLS are looked at; 0 is never but on SIGHUP."""

    grace: Pause = 10.0
    """What a call in flight has left when the new policy doesn't let it go on as before."""


class Outbox(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where releases are kept, in the state folder, until their recipients have them.

    An agent's are, until its hub has them.
    """

    max_bytes: Annotated[int, Meta(ge=64 * 1024)] = 1024 * 1024 * 1024
    """Bytes of releases kept at most, dead letters among them. A call beyond that is told to come back."""

    max_age: timedelta = timedelta(days=3)
    """How long delivery is tried. What couldn't be delivered within becomes a dead letter.

    An agent, which has none, tries for as long as the destination's retention says.
    """

    sweep: Annotated[float, SECONDS, Meta(gt=0, le=3600)] = 60.0
    """How often what is too old is looked for."""

    margin: Annotated[int, Meta(ge=0)] = 16 * 1024 * 1024
    """Bytes that stay free on the volume, so that what was delivered can still be deleted.

    Calls are told to come back below it.
    """

    remember: Annotated[float, SECONDS, Meta(ge=0, le=7 * 86400)] = 3600.0
    """How long a request ID is known, at least, after its item was taken: sent again within, it is delivered once."""


DEFAULT_OUTBOX: Final = Outbox()
"""The outbox where the configuration says nothing of one: an agent then has none."""


class Hub(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where an agent hands its releases, by mutual TLS."""

    address: HubAddress
    """`host:port` of the hub's listener `delivery`."""

    timeout: Annotated[float, SECONDS, Meta(gt=0, le=300)] = 10.0
    """How long the agent waits to hear that releases are stored."""


class Traces(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The gateway's own traces, which go through the flow `otlp/traces`."""

    ratio: Annotated[float, Meta(ge=0, le=1)] = 0.0
    """Which part of the traces that begin here is kept, from 0 (off) to 1.

    Those that a caller has sampled are kept unless it is 0.
    """


class Log(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The gateway's own log, on standard error: one line a record, in UTC."""

    format: Literal["text", "json"] = "text"
    """`text` for people, `json` for programs."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe records that are written."""


class Telemetry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the gateway says of itself, beside its metrics."""

    traces: Traces = Traces()
    """The gateway's own traces."""

    log: Log = Log()
    """The gateway's own log."""


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole configuration. Relative paths are taken from the configuration file's folder."""

    role: Literal["all", "agent", "hub"] = "all"
    """`all` is one process.

    `agent`, beside a service, minimises and hands its releases to a `hub`, which delivers them.
    """

    policy: Path | None = None
    """The policy's file. Without it Kannelle's counts."""

    contracts: tuple[Path, ...] = ()
    """Descriptor sets, and folders of `.proto` files. Without any, Kannelle's own."""

    state: Path = DEFAULT_STATE_FOLDER
    """The folder that embedded stores and exporters write to.

    Without `hash_secret`, the secret of keyed hashes too. The default is in the working folder. An agent without an
    outbox uses none.
    """

    hash_secret: HashSecret | None = None
    """The secret of keyed hashes, by which a request that comes again is known, and a person's items are found.

    Without it, one is made and kept in the state folder; that of an agent without an outbox comes from `tls.key`.
    """

    service: Name = ""
    """Who the service beside the gateway is: the caller on `outbound`."""

    listeners: Listeners = Listeners()
    """Where the gateway listens."""

    tls: Tls | None = None
    """Certificates, for `inbound`, `delivery`, `hub`, and upstreams of `outbound` that aren't plaintext."""

    outbox: Outbox | None = DEFAULT_OUTBOX
    """Where releases wait for their recipients.

    An agent has one only where this says so, with `outbox: {}` at least: then it takes calls while its hub is away, and
    refuses them otherwise. No other role can do without.
    """

    hub: Hub | None = None
    """An agent's hub."""

    stop: Stop = Stop()
    """How the gateway leaves."""

    reload: Reload = Reload()
    """How changed files come into force."""

    telemetry: Telemetry = Telemetry()
    """What the gateway says of itself."""

    reflection: bool = False
    """Whether gRPC reflection tells of what `local` and `health` serve, and on `local` of the contracts' types."""

    insecure_loopback: bool = False
    """Whether exporters may send to `http://` on this machine, for trials."""

    @property
    def keeps_state(self) -> bool:
        """Whether the state folder is used at all: an agent without an outbox keeps nothing."""
        return self.role != "agent" or self.outbox is not None
