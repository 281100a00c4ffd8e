"""A first policy for contracts that have none.

Small, commented, and such that it loads and `lint` finds no error of its own in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec
from google.protobuf.descriptor import Descriptor, FieldDescriptor, ServiceDescriptor

from gateway.contracts.contract import Contract
from gateway.errors import BadSetup
from gateway.policy.compile import Compiler
from gateway.policy.fields import classified_parts, message_of_values
from gateway.policy.flow_targets import IMPORTED_FOLDERS, contract_types
from gateway.policy.load import parse
from gateway.policy.rules import kind_of_message
from gateway.policy.scaffold.proposals import proposal

UNKNOWN_CONTROLLER: Final = "write here which organisation answers for this data"

MESSAGE_DESTINATION: Final = "message-log"
"""The destination that messages lead to."""

HEADER: Final = """\
# A first privacy policy, written by `privacy-gateway init`. What it doesn't let through does not leave.
#
# Three questions are left to the controller: who that is, what a user's identifier looks like, and for how long each
# log is kept. All keys: docs/policy.md of the gateway.

version: 1
controller: {controller}

# What a user's identifier looks like: a prefix and letters or digits, or a fixed shape such as a UUID's,
# "[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}". Whatever else stands in a field of category USER_ID is stripped.
user_id: {{pattern: "usr_[A-Za-z0-9]{{1,32}}"}}

# A time leaves the EU only if it is about now, within so many days.
timestamps: {{days_around_receipt: 7}}

# What a country may receive at most, whatever a destination below asks for.
ceilings:
  FR: [USER_ID, WORK_EMAIL, OPERATIONAL]

# Who receives. Each has a file, .privacy-gateway/<name>.jsonl, until it is given another `exporter`. Logs are kept in
# France or Ireland.
destinations:
"""

DESTINATIONS: Final = (
    ("application-log", "what programs report while they run", "USER_ID, WORK_EMAIL, OPERATIONAL", "90d"),
    (
        "application-traces",
        "which program called which, and how long it took",
        "USER_ID, WORK_EMAIL, OPERATIONAL",
        "30d",
    ),
    ("application-metrics", "how much and how fast, of nobody", "OPERATIONAL", "400d"),
    (
        MESSAGE_DESTINATION,
        "messages of your contracts, sent through EmitService",
        "USER_ID, WORK_EMAIL, OPERATIONAL",
        "365d",
    ),
)

DESTINATION: Final = """\
  # {about}
  {name}: {{recipient: log, region: FR, purpose: essential.service.operations, legal_basis: LEGITIMATE_INTERESTS,
    allow: [{allow}], retention: {retention}}}
"""

FLOWS: Final = """\

# What leads where. A message or a signal that isn't here is refused.
flows:
  # What an OpenTelemetry SDK sends that has OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4317.
  otlp/logs: [application-log]
  otlp/traces: [application-traces]
  otlp/metrics: [application-metrics]
"""

OTLP: Final = """\

# What logs, spans and measurements may say. An attribute that isn't here is stripped, and so is a log's text unless it
# is a template here.
otlp:
  attributes:
    user.id: USER_ID
    service.name: OPERATIONAL
    service.version: OPERATIONAL
    deployment.environment.name: {category: OPERATIONAL, one_of: [production, staging, development, test]}
    telemetry.sdk.language: OPERATIONAL
    telemetry.sdk.name: OPERATIONAL
    telemetry.sdk.version: OPERATIONAL
    error.type: OPERATIONAL
    http.request.method: {category: OPERATIONAL, one_of: [GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS]}
    http.response.status_code: {category: OPERATIONAL, min: 100, max: 599}
    rpc.system: OPERATIONAL
    rpc.grpc.status_code: {category: OPERATIONAL, min: 0, max: 16}
  log_templates:
    - service started
    - service stopped
"""

UNCLASSIFIED_HEADER: Final = """\

# Fields that nobody has classified: they go nowhere. Say in the .proto file what each holds, behind its number:
#   import "kannelle/privacy/v1/annotations.proto";
#   string town = 1 [(kannelle.privacy.v1.field).category = DATA_CATEGORY_POSTAL_ADDRESS];
#   string plan = 2 [(kannelle.privacy.v1.field) = {category: DATA_CATEGORY_OPERATIONAL, one_of: ["free", "pro"]}];
# A string is USER_ID, WORK_EMAIL, NAME, PHONE, POSTAL_ADDRESS, DEVICE, NETWORK, COOKIE, ORGANISATION, USAGE, PAYMENT, CONTENT, FREE_TEXT,
# or OPERATIONAL if it says nothing of anybody. What stands here is guessed from names and types, or asked where they don't tell: only you
# know.
"""

MAX_LISTED_FIELDS: Final = 2000
"""Fields that a policy lists, and types that lead nowhere, so that the file isn't larger than what is read of one."""

ROUTES: Final = """\

# Calls between services go by routes. Uncomment, and say where {service} is, and who may call it:
# routes:
#   - authority: {authority}
#     methods: [{service}/*]
#     upstream: dns:///{host}:50051
#     destination: {authority}     # to be added above, with recipient: service
#     callers:
#       spiffe://example.org/ns/default/sa/caller: {{region: FR, allow: [USER_ID, OPERATIONAL]}}
"""


class FirstPolicy(msgspec.Struct, frozen=True):
    """A policy's text; the contract's own message types, those that it leads somewhere, and unclassified fields."""

    text: str
    types: tuple[str, ...]
    flow_types: tuple[str, ...]
    unclassified: tuple[str, ...]


def first_policy(contract: Contract, controller: str = "") -> FirstPolicy:
    """The policy for a contract. Raises BadContract if the contract classifies a field in a way that can't hold."""
    made = Compiler(contract, parse(f"{_base(controller, has_messages=True)}{OTLP}"))
    made.plans()  # those of signals count too
    obstacles = {name: _obstacle(made, name) for name in _items(contract)}
    base = _base(controller, has_messages=not all(obstacles.values()))
    bare = tuple(_unclassified(contract))
    return FirstPolicy(
        "".join((base, *_flows(obstacles), OTLP, *_listed(bare), *_routes(contract))),
        tuple(message.full_name for message in _own_types(contract)),
        tuple(name for name, obstacle in obstacles.items() if not obstacle),
        tuple(field.full_name for field in bare),
    )


def _base(controller: str, *, has_messages: bool) -> str:
    """All up to the flows. The messages' destination is a comment where there are none: nothing would feed it."""
    # In quotes, as JSON has it, which YAML reads.
    head = HEADER.format(controller=json.dumps(controller or UNKNOWN_CONTROLLER, ensure_ascii=False))
    named = (
        DESTINATION.format(name=name, about=f"{about[0].upper()}{about[1:]}.", allow=allow, retention=retention)
        for name, about, allow, retention in DESTINATIONS
    )
    *others, of_messages = named
    return "".join((head, *others, of_messages if has_messages else _commented(of_messages), FLOWS))


def _commented(destination: str) -> str:
    """A destination as a comment, to be taken in when something is led to it."""
    about, *lines = destination.splitlines(keepends=True)
    return "".join((about, *(f"  # {line[2:]}" for line in lines)))


def _own_types(contract: Contract) -> Iterator[Descriptor]:
    """Yield the message types of a contract that are its authors' own."""
    for name in contract_types(contract):
        message = contract.message(name)
        if not message.file.name.startswith(IMPORTED_FOLDERS):
            yield message


def _items(contract: Contract) -> Iterator[str]:
    """Yield the types of messages that stand by themselves: no part of another, no question or answer of a call."""
    types = list(_own_types(contract))
    parts_of = {
        target.full_name
        for message in types
        for field in message.fields
        if (target := message_of_values(field)) is not None
    }
    methods = [method for service in _services(contract) for method in service.methods]
    told = parts_of.union(one.full_name for method in methods for one in (method.input_type, method.output_type))
    for message in types:
        if message.containing_type is None and message.full_name not in told and kind_of_message(message) == "message":
            yield message.full_name


def _services(contract: Contract) -> Iterator[ServiceDescriptor]:
    files = {message.file.name for message in _own_types(contract)}
    for file in contract.files.values():
        if file.name in files:
            yield from contract.pool.FindFileByName(file.name).services_by_name.values()


def _obstacle(made: Compiler, item: str) -> str:
    """Why nothing of a type may be led to its destination; empty if something may.

    What all types come to is counted together.
    """
    try:
        made.subject(item)
        plan = made.plan(item, MESSAGE_DESTINATION)
    except BadSetup as error:
        return str(error).splitlines()[0].rpartition(f"destinations.{MESSAGE_DESTINATION}: ")[2]
    return "" if plan.messages[0].fields else "nothing of it may leave as long as no field is classified"


def _flows(obstacles: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each type that may be led somewhere, and one that says why not for the first of the others."""
    if obstacles:
        yield "  # Messages, by their type.\n"
    withheld = [item for item, obstacle in obstacles.items() if obstacle]
    for item in [*withheld[:MAX_LISTED_FIELDS], *(item for item, obstacle in obstacles.items() if not obstacle)]:
        flow = f"{_scalar(item)}: [{MESSAGE_DESTINATION}]"
        yield f"  # {flow}     # {obstacles[item]}\n" if obstacles[item] else f"  {flow}\n"
    if len(withheld) > MAX_LISTED_FIELDS:
        yield f"  # And {len(withheld) - MAX_LISTED_FIELDS} more, of which nothing may leave as they are.\n"


def _scalar(name: str) -> str:
    """A name as YAML reads it whatever its version.

    Outside of a package it may be a word that means something else, as `no` does.
    """
    return name if "." in name else json.dumps(name)


def _unclassified(contract: Contract) -> Iterator[FieldDescriptor]:
    """Yield the fields of a contract's own types that need a classification and have none."""
    for message in _own_types(contract):
        for field in contract.fields(message):
            if field.full_name not in contract.annotations and next(classified_parts(field), None):
                yield field


def _listed(fields: Sequence[FieldDescriptor]) -> Iterator[str]:
    if fields:
        yield UNCLASSIFIED_HEADER
    yield from (f"#   {field.full_name}: {proposal(field)}\n" for field in fields[:MAX_LISTED_FIELDS])
    if len(fields) > MAX_LISTED_FIELDS:
        yield f"# And {len(fields) - MAX_LISTED_FIELDS} more: `privacy-gateway lint` lists them all.\n"


def _routes(contract: Contract) -> Iterable[str]:
    service = next(_services(contract), None)
    if service is None:
        return ()
    name = service.name.removesuffix("Service").lower() or "service"
    return (ROUTES.format(service=service.full_name, host=name, authority=_scalar(name)),)
