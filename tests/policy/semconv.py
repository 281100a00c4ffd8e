"""OpenTelemetry's semantic conventions as Kannelle sees them.

All attributes, the namespaces it doesn't use, and what is personal.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Final

from gateway.model import Category

PACKAGES: Final = ("opentelemetry.semconv.attributes", "opentelemetry.semconv._incubating.attributes")

UNUSED: Final = (
    # What clouds say beyond where a program runs, and platforms that the policy doesn't know.
    "aws.", "az.", "azure.", "cloudfoundry.", "faas.", "gcp.", "heroku.", "mainframe.", "openshift.", "oracle.",
    "oracle_cloud.", "zos.",
    # Databases, queues and protocols that it doesn't use.
    "cassandra.", "db.cassandra.", "db.cosmosdb.", "db.elasticsearch.", "db.instance.", "db.jdbc.", "db.mssql.",
    "elasticsearch.", "messaging.destination_publish.", "messaging.eventhubs.", "messaging.gcp_pubsub.",
    "messaging.rabbitmq.", "messaging.rocketmq.", "messaging.servicebus.", "graphql.", "jsonrpc.", "rpc.jsonrpc.",
    "mcp.", "nfs.", "onc_rpc.", "opentracing.", "cloudevents.",
    # Who builds and tests, and with what: no business of a running service.
    "artifact.", "cicd.", "security_rule.", "test.", "vcs.",
    # What a profiler or a cluster's own monitoring says, which doesn't pass here.
    "hw.", "pprof.", "profile.", "k8s.container.", "k8s.cronjob.", "k8s.daemonset.", "k8s.hpa.", "k8s.hugepage.",
    "k8s.job.", "k8s.namespace.phase", "k8s.node.", "k8s.persistentvolume.", "k8s.persistentvolumeclaim.",
    "k8s.pod.status.", "k8s.replicaset.", "k8s.replicationcontroller.", "k8s.resourcequota.", "k8s.service.",
    "k8s.statefulset.", "k8s.storageclass.", "k8s.volume.", "process.", "container.", "oci.",
    # Settings of models; what is asked of them and answered is listed.
    "gen_ai.", "openai.",
    # Certificates and what can be told of them.
    "tls.",
    # Parts of a URL that say no more than its scheme and its template.
    "url.extension", "url.top_level_domain",
)  # fmt: skip
"""Namespaces not used at Kannelle: what the policy doesn't list of them is stripped as unclassified."""

PERSONAL: Final = {
    Category.NAME: (
        "user.name", "user.full_name", "enduser.id", "db.user", "file.owner.id", "file.owner.name", "process.owner",
        "process.user.name", "process.real_user.name", "process.saved_user.name", "tls.client.subject",
    ),
    Category.ORGANISATION: ("user.roles", "enduser.role", "enduser.scope", "url.subdomain", "url.registered_domain", "tls.client.issuer"),
    Category.COOKIE: (
        "user.hash", "enduser.pseudo.id", "session.id", "session.previous_id", "feature_flag.context.id",
        "gen_ai.conversation.id", "messaging.message.conversation_id",
    ),
    Category.NETWORK: (
        "client.address", "client.port", "source.address", "source.port", "network.peer.address", "network.peer.port",
        "network.local.address", "http.client_ip", "net.host.ip", "net.peer.ip", "net.peer.port", "net.sock.peer.addr",
        "net.sock.peer.name", "net.sock.peer.port", "net.sock.host.addr", "host.ip", "host.mac", "k8s.pod.ip",
        "dns.answers", "dns.question.name",
    ),
    Category.LOCATION: (
        "geo.continent.code", "geo.country.iso_code", "geo.locality.name", "geo.location.lat", "geo.location.lon",
        "geo.postal_code", "geo.region.iso_code",
    ),
    Category.DEVICE: (
        "device.id", "device.manufacturer", "device.model.identifier", "device.model.name", "user_agent.original",
        "user_agent.name", "user_agent.version", "user_agent.os.name", "user_agent.os.version", "http.user_agent",
        "browser.brands", "browser.language", "browser.platform", "browser.document.url.full", "app.installation.id",
        "host.id", "network.carrier.icc", "network.carrier.name", "network.connection.type", "messaging.client.id",
        "tls.client.ja3", "tls.client.certificate", "tls.client.hash.sha256", "tls.client.server_name",
    ),
    Category.USAGE: ("app.screen.coordinate.x", "app.screen.name", "app.widget.id", "app.crash.id"),
    Category.CREDENTIAL: (
        "http.request.header.authorization", "http.request.header.cookie", "http.request.header.x-user",
        "http.response.header.set-cookie", "rpc.request.metadata.authorization", "rpc.response.metadata.x",
        "rpc.grpc.request.metadata.authorization", "rpc.grpc.response.metadata.x", "rpc.connect_rpc.request.metadata.x",
        "rpc.connect_rpc.response.metadata.x", "url.full", "url.original", "url.query", "url.fragment", "http.url",
        "http.target", "db.connection_string", "process.command", "process.command_args", "process.command_line",
        "process.environment_variable.HOME", "container.command", "container.command_args", "container.command_line",
    ),
    Category.FREE_TEXT: (
        "url.path", "http.request.method_original", "rpc.method_original", "db.query.text", "db.query.parameter.name",
        "db.statement", "db.operation.parameter.0", "error.message", "exception.message", "exception.stacktrace",
        "code.stacktrace", "otel.status_description", "log.record.original", "log.file.path", "log.file.name",
        "file.path", "file.name", "file.directory", "process.title", "process.working_directory",
        "process.executable.path", "k8s.pod.label.owner", "k8s.pod.annotation.contact", "k8s.namespace.label.team",
        "container.label.maintainer", "messaging.kafka.message.key", "feature_flag.result.value",
        "messaging.rabbitmq.destination.routing_key", "system.filesystem.mountpoint", "os.description",
        "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions", "gen_ai.prompt",
        "gen_ai.completion", "gen_ai.retrieval.query.text", "gen_ai.tool.call.arguments", "gen_ai.tool.call.result",
        "rpc.jsonrpc.error_message",
    ),
}  # fmt: skip
"""What each is, whatever the conventions say.

That a header is a credential keeps it from whoever may have free text.
"""


METRIC_PACKAGES: Final = ("opentelemetry.semconv.metrics", "opentelemetry.semconv._incubating.metrics")

EVENTS: Final = (
    "app.crash", "app.jank", "app.screen.click", "app.widget.click", "az.resource.log", "browser.web_vital",
    "device.app.lifecycle", "exception", "feature_flag.evaluation", "gen_ai.assistant.message", "gen_ai.choice",
    "gen_ai.client.inference.operation.details", "gen_ai.evaluation.result", "gen_ai.system.message",
    "gen_ai.tool.message", "gen_ai.user.message", "hw.error", "k8s.pod.evicted", "rpc.message", "session.end",
    "session.start",
)  # fmt: skip
"""https://opentelemetry.io/docs/specs/semconv/general/events/ and the pages of each domain.

The package doesn't list them.
"""

NAMED_PERSONAL: Final = (
    "app.screen.coordinate.x", "app.screen.coordinate.y", "browser.mobile", "hw.network.physical_address", "user.email",
    "vcs.owner.name",
)  # fmt: skip
"""What says something personal, though `PERSONAL` need not have it.

It is stripped for another reason, or its namespace isn't used.
"""


def metrics() -> list[tuple[str, str]]:
    """Every metric of the package with its unit."""
    names = (
        f"{package}.{module.name}"
        for package in METRIC_PACKAGES
        for module in pkgutil.iter_modules(importlib.import_module(package).__path__)
    )
    return sorted({pair for name in names for pair in _metrics(importlib.import_module(name))})


def _metrics(module: ModuleType) -> Iterator[tuple[str, str]]:
    """A module's constants, and the units with which its functions make what they name."""
    units = dict(re.findall(r'name=([A-Z0-9_]+),.*?unit="([^"]*)"', inspect.getsource(module), re.DOTALL))
    found = {name: value for name, value in vars(module).items() if name.isupper() and isinstance(value, str)}
    yield from ((value, units.get(name, "1")) for name, value in found.items())


def conventions() -> list[str]:
    """Every attribute of the package, stable or not, deprecated or not."""
    names = (
        f"{package}.{module.name}"
        for package in PACKAGES
        for module in pkgutil.iter_modules(importlib.import_module(package).__path__)
    )
    found = (vars(importlib.import_module(name)) for name in names)
    return sorted(
        {value for held in found for name, value in held.items() if name.isupper() and isinstance(value, str)}
    )
