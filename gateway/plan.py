"""A plan: what one destination gets of one message type, as data.

Language-neutral and complete: an engine needs nothing else. Only `gateway.policy.compile` makes plans; `Plan.load`
reads one back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Final

import msgspec

from gateway.model import Detector, Gate, Spare

VERSION: Final = 2


class UserId(msgspec.Struct, frozen=True, tag="user_id"):
    """The whole value matches `pattern` (RE2) and passes `text`, the bounds that the field sets itself.

    Nothing of `detect` hides in it. `echo` is as in `Text`: here the name as one, the local part as a whole and words
    of five letters count.
    """

    pattern: str
    text: Text | None = None
    detect: tuple[Detector, ...] = ()
    echo: str | None = None


class WorkEmail(msgspec.Struct, frozen=True, tag="work_email"):
    """A business address, normalised, that passes `text`.

    `outside`: beyond the EU, where a directory must know the domain. `vendor`: a personal address withholds the item.
    Domains where people have mail of their own are those of the detectors' data, with `personal` and without
    `business`, each with all below it. Where two that are known stand one above the other, the longer one decides.
    """

    outside: bool
    vendor: bool
    text: Text | None = None
    personal: tuple[str, ...] = ()
    business: tuple[str, ...] = ()


class Text(msgspec.Struct, frozen=True, tag="text"):
    """A string of `one_of`, or one that matches `pattern` and `max_length`; nothing of `detect` may hide in it.

    `name`: one that isn't listed must not say, unmistakably, what is never collected
    (`gateway/detectors/data/prohibited.json`). One that as a whole is of a kind in `spare` holds no card. With `echo`,
    what follows this literal prefix must not repeat a word of the item's own person, which the plan's `person` tells.
    """

    pattern: str = ""
    max_length: int = 0
    one_of: tuple[str, ...] = ()
    detect: tuple[Detector, ...] = ()
    spare: tuple[Spare, ...] = ()
    name: bool = False
    echo: str | None = None


class FreeText(msgspec.Struct, frozen=True, tag="free_text"):
    """Any text that passes `text`, as it came and masked; what the detectors find is masked."""

    text: Text | None = None


class Content(msgspec.Struct, frozen=True, tag="content"):
    """Any text that passes `text`, as it came; what of `detect` shows in it is counted."""

    detect: tuple[Detector, ...]
    text: Text | None = None


class Number(msgspec.Struct, frozen=True, tag="number"):
    """A whole number within `min` and `max`; without bounds, one that is no phone, card or identity number.

    Of a string, with bounds: one that is written as JSON writes a whole number.
    """

    min: int | None = None
    max: int | None = None


class Moment(msgspec.Struct, frozen=True, tag="moment"):
    """A valid timestamp, within `days` around receipt where given, and from `min` to `max` seconds since 1970.

    In nanoseconds since 1970 where the field is a number.
    """

    days: int | None = None
    min: int | None = None
    max: int | None = None


class Span(msgspec.Struct, frozen=True, tag="span"):
    """A valid duration, within `min` and `max` seconds where given."""

    min: int | None = None
    max: int | None = None


class Length(msgspec.Struct, frozen=True, tag="length"):
    """Exactly so many bytes: trace and span IDs."""

    bytes: int


class Payload(msgspec.Struct, frozen=True, tag="any"):
    """A `google.protobuf.Any`, as raw bytes.

    Kept with a payload of one of the plan's `anys`, minimised by its type's projection.

    A payload that is an `Any` itself is treated likewise.
    """


class Nested(msgspec.Struct, frozen=True, tag="nested"):
    """A message, as raw bytes, minimised by the projection at index `message`; its result may be cached."""

    message: int


class Mask(msgspec.Struct, frozen=True, tag="mask"):
    """A `google.protobuf.FieldMask`: of its paths, those to fields that leave.

    An item of whose paths none is left is refused.

    `of` names the message that the paths begin at, in the plan at `targets`. It stands beside the mask, in the fields
    with the numbers `beside`, or is a method's answer. Without `of` it can't be told, and any path refuses the item; so
    does any entry of a map of masks, whose field has kind `bytes`.

    A path names fields, joined by dots; `*` names all. Beside the mask, only what a path names and leaves whole, in
    this item too, may be changed by it: where a part of a message is stripped, the paths to the other parts take its
    place, and a list or map of which a part is goes. Of an answer a path stays as it is if any part does, lists on its
    way included, with `*` after them or without.
    """

    of: str = ""
    targets: tuple[int, ...] = ()
    beside: tuple[int, ...] = ()
    answer: bool = False


class Keep(msgspec.Struct, frozen=True, tag="keep"):
    """Any value."""


Scalar = UserId | WorkEmail | Text | FreeText | Content | Number | Keep


class Value(msgspec.Struct, frozen=True):
    """The rule of a value whose kind shows only at run time, for each kind; without one it is stripped."""

    string: Scalar | None = None
    integer: Scalar | None = None
    double: Scalar | None = None
    boolean: Scalar | None = None


class Attributes(msgspec.Struct, frozen=True, tag="attributes"):
    """An OTLP `KeyValue`, as raw bytes.

    The rule of its key is `exact`'s, else that of the longest of `prefixes` that it starts with.

    A key under a prefix must be a token in which nothing personal hides, and not say, unmistakably, what is never
    collected (`gateway/detectors/data/prohibited.json`); under one of `impersonal`, what follows the prefix must say
    nothing personal either (`personal.json`). An array's elements are judged one by one, in an array none; bytes are
    stripped. The strings and numbers that are left, written as one, must hold nothing of the string rule's `detect` (no
    card counts where it has a `spare`), or the array is stripped: joined by blanks, by commas, and by nothing where all
    are letters and digits; where one is a decimal, by commas, and only coordinates count; with fewer than six digits
    they hold nothing. An entry of a key-value list is judged by its path: the keys that lead to it and its own, joined
    with dots. An array or a list of which nothing is left is stripped.
    """

    exact: dict[str, Value]
    prefixes: dict[str, Value]
    impersonal: tuple[str, ...] = ()


class Body(msgspec.Struct, frozen=True, tag="body"):
    """An OTLP `AnyValue`, as raw bytes: one of the listed constants.

    Of a key-value list, the entries that `attributes` lets pass.
    """

    templates: tuple[str, ...]
    attributes: Attributes


class SpanName(msgspec.Struct, frozen=True, tag="span_name"):
    """A span's name of low cardinality, or the name of the span's kind in its place.

    It is `listed`, or passes `forms`; or `routed`, if what follows its first space is the string value of an attribute
    in `routes` that stays; or `made`, if each of its words is one of `verbs`, the string value of an attribute in
    `named` that stays, or two such values with a dot between them. With `echo`, one that
    isn't listed must not repeat a word of the item's own person. The kind, field 6, is an index into `kinds`; one
    beyond is as none. Attributes are in field 9.
    """

    listed: tuple[str, ...]
    kinds: tuple[str, ...]
    forms: Text | None = None
    routed: Text | None = None
    routes: tuple[str, ...] = ()
    made: Text | None = None
    verbs: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    echo: bool = False


class Properties(msgspec.Struct, frozen=True, tag="properties"):
    """Entries of an event's property map, as raw bytes.

    `events` gives for each event, named by the sibling field with the number `selector`, the rule of each property.
    An event that isn't listed refuses the item.
    """

    selector: int
    events: dict[str, dict[str, Value]]


Rule = (
    UserId | WorkEmail | Text | FreeText | Content | Number | Keep | Moment | Span | Length
    | Payload | Nested | Attributes | Body | SpanName | Properties | Mask
)  # fmt: skip


def has_echo(rule: Rule | None) -> bool:
    """Whether a rule asks what the item says of its person."""
    return next(echo_patterns(rule), None) is not None


def has_value_echo(values: Iterable[Value]) -> bool:
    """Whether one of the rules of some values does."""
    return next(_value_patterns(values), None) is not None


def echo_patterns(rule: Rule | None) -> Iterator[str]:
    """Yield the patterns of a rule's values that must not repeat a word of the item's own person."""
    match rule:
        case Text() | UserId() if rule.echo is not None:
            yield rule.pattern
        case Attributes():
            yield from _value_patterns((*rule.exact.values(), *rule.prefixes.values()))
        case Body():
            yield from echo_patterns(rule.attributes)
        case SpanName() if rule.echo:
            yield from (form.pattern for form in (rule.forms, rule.routed, rule.made) if form is not None)
        case Properties():
            yield from _value_patterns(value for event in rule.events.values() for value in event.values())


def _value_patterns(values: Iterable[Value]) -> Iterator[str]:
    for value in values:
        yield from echo_patterns(value.string)
        yield from echo_patterns(value.integer)


class Presence(StrEnum):
    """How a field is present; protobuf's own words."""

    EXPLICIT = "explicit"
    IMPLICIT = "implicit"
    REQUIRED = "required"
    PACKED = "packed"
    EXPANDED = "expanded"


class FieldPlan(msgspec.Struct, frozen=True):
    """A field that may leave.

    `kind` is protobuf's name of the type on the wire (`string`, `sint32`, `message`, `group`, …). A message whose rule
    reads raw bytes has kind `bytes`. `message` is the index of its type, `enum` the numbers it may have, `rule` an
    index into the plan's rules, for each value.
    """

    number: int
    name: str
    kind: str
    presence: Presence
    oneof: str = ""
    message: int | None = None
    enum: tuple[int, ...] | None = None
    rule: int | None = None


class Form(StrEnum):
    """What a message is to the engine. The last four are judged whole, by the rule of the field that holds them."""

    MESSAGE = "message"
    MAP_ENTRY = "map_entry"
    WRAPPER = "wrapper"
    TIMESTAMP = "timestamp"
    DURATION = "duration"
    MASK = "mask"


class MessagePlan(msgspec.Struct, frozen=True):
    """What may leave of one message type; `name` is its full name in the contract."""

    name: str
    fields: tuple[FieldPlan, ...]
    form: Form = Form.MESSAGE


class MaskField(msgspec.Struct, frozen=True):
    """A field that a mask's path may name, since something of it leaves.

    `many`: it is a list or a map. `whole`: nothing in it is stripped by plan. `below` is the index of the message that
    it holds.
    """

    name: str
    number: int
    many: bool
    whole: bool
    below: int | None = None


class MaskTarget(msgspec.Struct, frozen=True):
    """A message type that a mask speaks of, or one below it.

    `whole`: no field of it is stripped by plan, here or below.
    """

    fields: tuple[MaskField, ...]
    whole: bool


class WordSource(StrEnum):
    """What a field says of the item's own person.

    A name; an identifier, such as an address, of which what stands before the `@` counts; an OTLP `KeyValue`, or an
    `AnyValue` that may hold a list of them, as raw bytes, by its keys; a `google.protobuf.Any`, by its payload.
    """

    NAME = "name"
    IDENTIFIER = "identifier"
    ATTRIBUTE = "attribute"
    VALUE = "value"
    PAYLOAD = "payload"


class PersonPlan(msgspec.Struct, frozen=True):
    """Where an item says names and addresses, read before anything is stripped.

    `messages` hold nothing else, texts as bytes; a field's `rule` is an index into `sources`. `anys` gives the index of
    each type that an `Any` may hold, `keys` what an attribute says, by its path. An identifier that matches `user_id`
    says nothing.

    Words are runs of letters, without case or accents, split at changes of case, of three letters and more, and a part
    of a name without what separates letters in it; and, with digits, a full name as one, in both orders, each two of
    its first six parts, and what stands before an address's `@` and `+`; so do the pieces that punctuation, or what
    nobody sees, parts a name into. Of words 64 characters count. Escapes in names and addresses are undone. A number
    counts before an `@`, and where no digit stands beside it. Names count with two letters for one too. Role
    names are none; `gateway/detectors/data/roles.json` has both lists. Names, their parts and addresses of five
    characters and more also count in base64 and in hexadecimal; in a value, percent-encoding is undone first.
    """

    messages: tuple[MessagePlan, ...]
    sources: tuple[WordSource, ...] = ()
    anys: Mapping[str, int] = {}
    keys: Mapping[str, WordSource] = {}
    user_id: str = ""


class Plan(msgspec.Struct, frozen=True):
    """What one destination gets of one message type.

    The projection of `messages[0]` and all below it, and the values' rules.

    `targets` are the messages that masks speak of. `detectors` is the digest of what the detectors know. `person` is
    who the item is about, where rules have an `echo`. `gates` withhold any item, whatever it holds, of which the facts
    don't say what they ask: `backup`, that it is `ON`.
    """

    version: int
    type: str
    destination: str
    vendor: bool
    messages: tuple[MessagePlan, ...]
    rules: tuple[Rule, ...]
    anys: Mapping[str, int]
    targets: tuple[MaskTarget, ...] = ()
    detectors: str = ""
    person: PersonPlan | None = None
    gates: tuple[Gate, ...] = ()

    def dump(self) -> bytes:
        """The plan as canonical JSON."""
        return msgspec.json.encode(self, order="deterministic")

    @property
    def digest(self) -> str:
        """SHA-256 of `dump()`, in hexadecimal: equal in every process for equal plans."""
        return hashlib.sha256(self.dump()).hexdigest()

    @staticmethod
    def load(data: bytes) -> Plan:
        """Read what `dump` wrote. Raises msgspec.DecodeError or ValidationError if it isn't a plan of this version."""
        plan = msgspec.json.decode(data, type=Plan)
        if plan.version != VERSION:
            raise msgspec.ValidationError(f"plan version {plan.version}, expected {VERSION}")
        return plan


class AttributePlan(msgspec.Struct, frozen=True):
    """Where items of OTLP have an attribute: its key, and the field numbers that lead to each list of attributes.

    `messages` hold those lists alone, each attribute as raw bytes. The first list that has the key says the value,
    where that is a string; one that has it twice, with two values, says none, as does what can't be read.
    """

    key: str
    messages: tuple[MessagePlan, ...]
    lists: tuple[tuple[int, ...], ...]


class SubjectPlan(msgspec.Struct, frozen=True, cache_hash=True):
    """Where the subject of a message type stands, and its workspace.

    A projection with nothing else, and the field numbers that lead to each identifier.

    An identifier that the type doesn't have has no numbers. `personal` and `business` are as in `WorkEmail`: by them
    the subject's address tells whether the item is about a personal account. Items of OTLP have their workspace in
    `workspace_attribute`.
    """

    type: str
    messages: tuple[MessagePlan, ...]
    user_id: tuple[int, ...]
    work_email: tuple[int, ...]
    personal: tuple[str, ...] = ()
    business: tuple[str, ...] = ()
    workspace: tuple[int, ...] = ()
    workspace_attribute: AttributePlan | None = None


class EnvelopePlan(msgspec.Struct, frozen=True):
    """What one recipient gets of a call beside its messages: metadata by key, and the status's text.

    A key's rule judges its value; None lets it pass as it is. Of `baggage` and `tracestate`, the entries listed,
    likewise. Without `message` the text is the code's fixed one.
    """

    recipient: str
    keys: Mapping[str, Rule | None]
    baggage: Mapping[str, Rule | None]
    tracestate: Mapping[str, Rule | None]
    message: FreeText | None = None


Streams = tuple[bool, bool]
"""The kind of a call: whether the client streams, and whether the server does."""


class MethodPlan(msgspec.Struct, frozen=True):
    """A gRPC method: its path, `/pkg.Service/Method`, its messages' types by full name, and which side streams."""

    path: str
    request: str
    response: str
    client_streaming: bool
    server_streaming: bool

    @property
    def streams(self) -> Streams:
        """Both of them."""
        return self.client_streaming, self.server_streaming
