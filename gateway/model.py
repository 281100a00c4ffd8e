"""The nouns: category, classification, destination's kind, subject, facts, release, receipt.

All are frozen. Plans, which are data too, live in `plan.py`. Those of which each item has its own are not looked
through for circles, which they can't be part of: else a call with thousands of items would hold everybody up.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from typing import Any, Final

import msgspec

from gateway.errors import Reason, Refused

MAX_ITEM_BYTES: Final = 4 * 1024 * 1024
"""The largest item: gRPC's default for a message."""

EU: Final = frozenset("AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split())


class Category(IntEnum):
    """What a field's value is; names and numbers of `kannelle.privacy.v1.DataCategory`."""

    UNSPECIFIED = 0
    USER_ID = 1
    WORK_EMAIL = 2
    OPERATIONAL = 3
    NAME = 10
    PHONE = 11
    PERSONAL_EMAIL = 12
    POSTAL_ADDRESS = 13
    DEVICE = 14
    NETWORK = 15
    ORGANISATION = 16
    USAGE = 17
    CONTENT = 18
    FREE_TEXT = 19
    COOKIE = 20
    PAYMENT = 21
    AGE = 90
    GENDER = 91
    BANKING = 92
    LOCATION = 93
    CREDENTIAL = 94


INDIRECT: Final = frozenset({Category.USER_ID, Category.WORK_EMAIL, Category.OPERATIONAL})
"""All that may ever leave the EU."""

NEVER: Final = frozenset({Category.AGE, Category.GENDER, Category.BANKING, Category.LOCATION, Category.CREDENTIAL})
"""What no destination may receive."""


class Detector(StrEnum):
    """A kind of personal data that is found by its look."""

    # Asked of each kind for each value that isn't remembered: an enum's own hash is a Python function.
    __hash__ = str.__hash__

    EMAIL = "email"
    IBAN = "iban"
    CARD = "card"
    COORDINATES = "coordinates"
    IP = "ip"
    PHONE = "phone"
    NATIONAL_ID = "national_id"
    SECRET = "secret"  # noqa: S105 - the name of a kind
    MAC = "mac"


DETECTORS: Final = tuple(Detector)
"""All of them."""


class Spare(StrEnum):
    """What a text may be as a whole though its digits read as a card's: some of its kind always do."""

    PHONE = "phone"
    COMPANY_NUMBER = "company_number"


class FieldPrivacy(msgspec.Struct, frozen=True):
    """What a field holds; the fields of `kannelle.privacy.v1.FieldPrivacy`, with its defaults, and `without`."""

    category: Category = Category.UNSPECIFIED
    """Of which category of data the value is. What has none leaves nowhere."""

    map_key: Category = Category.UNSPECIFIED
    """The same of a map's keys. Without it no entry of the map leaves."""

    subject: bool = False
    """Whether this field, of several user IDs and addresses as near to the top, says whom the message is about."""

    pattern: str = ""
    """RE2 that a text must match as a whole. Bounded, without `.*`; empty is the category's own rule."""

    max_length: int = 0
    """The most characters that a text may have; 0 is no bound of its own."""

    one_of: tuple[str, ...] = ()
    """The only texts that pass. Empty is any that the other rules let pass."""

    min: int = 0
    """The least that a number may be. `min` and `max` both 0 are no bounds."""

    max: int = 0
    """The most that a number may be."""

    workspace: bool = False
    """Whether this field names the message's workspace: a single string that is OPERATIONAL.

    Of a field that holds a message, whether the one in it counts, where several as near to the top could be it.
    """

    without: tuple[Detector, ...] = ()
    """Detectors that don't look into this value, inside the EU: `phone`, `ip`, `email`.

    Needs a `pattern`; no annotation can say it.
    """

    @property
    def bounded(self) -> bool:
        """Whether `min` and `max` mean anything."""
        return (self.min, self.max) != (0, 0)


class Recipient(StrEnum):
    """Who receives."""

    LOG = "log"
    VENDOR = "vendor"
    SERVICE = "service"
    STORE = "store"


class Gate(StrEnum):
    """What a destination asks of the facts before it gets an item at all; `Facts` has a field of the same name."""

    BACKUP = "backup"
    """The item's workspace has switched backup on."""


class Switch(StrEnum):
    """What a workspace has decided, as far as anybody knows."""

    ON = "ON"
    OFF = "OFF"
    UNKNOWN = "UNKNOWN"


class Facts(msgspec.Struct, frozen=True, gc=False):
    """What a decision may know beside the item itself.

    `received_ns` is the time of receipt in nanoseconds since 1970. `directory` says whether a directory is configured;
    `verified` holds the domains, as lower-case A-labels, that it has verified for the subject's workspace. `personal`:
    the subject's own address is not a business one. `backup`: whether the item's workspace has its projects backed up.
    """

    received_ns: int
    directory: bool = False
    verified: frozenset[str] = frozenset()
    personal: bool = False
    backup: Switch = Switch.UNKNOWN

    def __repr__(self) -> str:
        return "Facts(…)"


class Subject(msgspec.Struct, frozen=True, gc=False):
    """Whom an item is about, and in which workspace, as it says itself. Empty where it doesn't."""

    user_id: str = ""
    work_email: str = ""
    workspace: str = ""

    def __repr__(self) -> str:
        return "Subject(…)"


NO_SUBJECT: Final = Subject()


class FieldVerdict(StrEnum):
    """What became of a field's value."""

    # Counted by the million, as reasons are.
    __hash__ = str.__hash__

    KEEP = "keep"
    STRIP = "strip"
    MASK = "mask"


class Stripped(msgspec.Struct, frozen=True):
    """A field that the plan keeps and whose value failed, `count` times: its path, never its value.

    What was kept is told of where something shows in it that is only counted.
    """

    path: str
    reason: Reason
    verdict: FieldVerdict = FieldVerdict.STRIP
    count: int = 1

    @property
    def masked(self) -> bool:
        """Whether part of it was left."""
        return self.verdict is FieldVerdict.MASK


FieldPath = tuple[Any, str] | None
"""A place in a message: the place above it and a name, in which `[*]` stands for list indices and map keys.

None is the message itself.
"""

StripCounts = Mapping[tuple[FieldPath, Reason, FieldVerdict], int]
"""How often values at a place were stripped, masked, or kept and counted, for a reason.

Spelt out only when somebody asks: see `Release.stripped`.
"""


class Release(msgspec.Struct, frozen=True, gc=False):
    """Minimised bytes of one item for one destination. Only `gateway.engine` makes one.

    `payload` is a message of type `type`, `plan` the digest of the plan that made it. `unplanned`, where it was
    counted: how many of the item's fields the plan doesn't have. `lost`, where it is the item's turn: the same by
    category, times the items that it stands for. `personal`: the item is about somebody without a business account,
    which what is left of it may no longer show.
    """

    destination: str
    type: str
    plan: str
    payload: bytes
    strip_counts: StripCounts = {}
    unplanned: int = 0
    stripped_by_category: Mapping[Category, int] = {}
    personal: bool = False

    @property
    def stripped(self) -> tuple[Stripped, ...]:
        """What the plan keeps and was stripped all the same, since its value failed.

        And what stayed, though something shows in it.
        """
        return tuple(
            Stripped(path(at), reason, verdict, count) for (at, reason, verdict), count in self.strip_counts.items()
        )

    def __repr__(self) -> str:
        return f"Release({self.type} for {self.destination}, {len(self.payload)} bytes)"


class Withheld(msgspec.Struct, frozen=True, gc=False):
    """An item that a destination doesn't get though nothing is wrong with it. The caller doesn't learn the reason."""

    destination: str
    reason: Reason


Verdict = Release | Withheld

Outcome = Verdict | Refused
"""What becomes of an item: a release, withheld, or why it is refused."""

Identifier = tuple[Category, str]
"""USER_ID or WORK_EMAIL, and the value."""

NOBODY: Final[frozenset[Identifier]] = frozenset()


class OutboxEntry(msgspec.Struct, frozen=True, gc=False):
    """One release of an `EntryBatch`, with what its recipient is told beside: see there. Only a batch makes one."""

    destination: str
    type: str
    plan: str
    payload: bytes
    key: bytes
    received_ns: int
    personal: bool = False

    def __repr__(self) -> str:
        return f"OutboxEntry({self.type} for {self.destination}, {len(self.payload)} bytes)"


class QueueDepth(msgspec.Struct, frozen=True):
    """What waits for a destination: how many, their bytes, and since when the oldest does, in nanoseconds since 1970.

    0 if none does.

    `dead` are its dead letters, `dead_bytes` theirs. Bytes are what counts to the outbox's limit: payloads, and what
    each takes beside it.
    """

    items: int = 0
    bytes: int = 0
    oldest_ns: int = 0
    dead: int = 0
    dead_bytes: int = 0


def path(at: FieldPath) -> str:
    """A place as a reader has it: names joined by dots."""
    names: list[str] = []
    while at is not None:
        at, name = at
        names.append(name)
    return ".".join(reversed(names)).replace(".[*]", "[*]")
