"""What can go wrong, split by what the caller does next, and the closed list of reasons.

No error here ever holds a field's value. `Retryable` and `Rejected` are values too: outcomes of a batch's entries.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why something did not pass; the names of `kannelle.privacy.v1.Reason`. Each kind says what it is about."""

    # Counted by the million: an enum's own hash is a Python function.
    __hash__ = str.__hash__

    @property
    def words(self) -> str:
        """The name, in words."""
        return self.value.lower().replace("_", " ")


class FieldReason(Reason):
    """Why a field's value is stripped or masked.

    The first block is known when a plan is compiled, the second is the value's own.
    """

    UNCLASSIFIED = "UNCLASSIFIED"
    CATEGORY_NOT_ALLOWED = "CATEGORY_NOT_ALLOWED"
    MAP_KEY_NOT_ALLOWED = "MAP_KEY_NOT_ALLOWED"
    OPAQUE = "OPAQUE"
    NOT_CLOSED = "NOT_CLOSED"
    NOTHING_ALLOWED = "NOTHING_ALLOWED"
    UNKNOWN_FIELD = "UNKNOWN_FIELD"

    PATTERN_MISMATCH = "PATTERN_MISMATCH"
    TOO_LONG = "TOO_LONG"
    NOT_LISTED = "NOT_LISTED"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    UNKNOWN_ENUM_VALUE = "UNKNOWN_ENUM_VALUE"
    TYPE_NOT_IN_CONTRACT = "TYPE_NOT_IN_CONTRACT"
    WRONG_KIND = "WRONG_KIND"
    LOOKS_LIKE_EMAIL = "LOOKS_LIKE_EMAIL"
    LOOKS_LIKE_PHONE = "LOOKS_LIKE_PHONE"
    LOOKS_LIKE_IP_ADDRESS = "LOOKS_LIKE_IP_ADDRESS"
    LOOKS_LIKE_CARD = "LOOKS_LIKE_CARD"
    LOOKS_LIKE_IBAN = "LOOKS_LIKE_IBAN"
    LOOKS_LIKE_COORDINATES = "LOOKS_LIKE_COORDINATES"
    LOOKS_LIKE_NATIONAL_ID = "LOOKS_LIKE_NATIONAL_ID"
    LOOKS_LIKE_SECRET = "LOOKS_LIKE_SECRET"  # noqa: S105 - says that something is one
    LOOKS_LIKE_MAC_ADDRESS = "LOOKS_LIKE_MAC_ADDRESS"
    UNREADABLE = "UNREADABLE"
    EMAIL_MALFORMED = "EMAIL_MALFORMED"
    EMAIL_PERSONAL = "EMAIL_PERSONAL"
    EMAIL_UNVERIFIED = "EMAIL_UNVERIFIED"
    PATH_NOT_KEPT = "PATH_NOT_KEPT"
    DUPLICATE_KEY = "DUPLICATE_KEY"
    ECHO = "ECHO"


class ItemReason(Reason):
    """Why an item is refused or withheld, whatever it holds beside."""

    MALFORMED = "MALFORMED"
    TOO_LARGE = "TOO_LARGE"
    TOO_DEEP = "TOO_DEEP"
    TOO_MANY_ITEMS = "TOO_MANY_ITEMS"
    REQUIRED_FIELD = "REQUIRED_FIELD"
    EVENT_NOT_PLANNED = "EVENT_NOT_PLANNED"
    UNKNOWN_TYPE = "UNKNOWN_TYPE"
    UNKNOWN_FLOW = "UNKNOWN_FLOW"
    UNKNOWN_DESTINATION = "UNKNOWN_DESTINATION"
    PERSONAL_ACCOUNT = "PERSONAL_ACCOUNT"
    MASK_EMPTY = "MASK_EMPTY"
    MASK_UNCLEAR = "MASK_UNCLEAR"
    BACKUP_NOT_ON = "BACKUP_NOT_ON"


class CallReason(Reason):
    """Why a call is not answered as it was meant."""

    UNKNOWN_METHOD = "UNKNOWN_METHOD"
    NO_ROUTE = "NO_ROUTE"
    CALLER_NOT_ALLOWED = "CALLER_NOT_ALLOWED"
    FULL = "FULL"
    UNAVAILABLE = "UNAVAILABLE"
    INTERNAL = "INTERNAL"
    WITHHELD = "WITHHELD"
    NO_PLAN = "NO_PLAN"
    REQUEST_ID_REUSED = "REQUEST_ID_REUSED"
    UNKNOWN_PLAN = "UNKNOWN_PLAN"
    POLICY_CHANGED = "POLICY_CHANGED"


class DeliveryReason(Reason):
    """Why a release that was accepted is not delivered."""

    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    CUT_OFF = "CUT_OFF"
    ERASED = "ERASED"
    DEAD_LETTERED = "DEAD_LETTERED"
    DAMAGED = "DAMAGED"
    PURGED = "PURGED"


class Cause(StrEnum):
    """Why a call to an upstream, or an agent's to its hub, has no answer.

    What gRPC itself found, not what the other side says.
    """

    UPSTREAM_UNRESOLVED = "UPSTREAM_UNRESOLVED"
    """Its name has no address."""
    UPSTREAM_REFUSED = "UPSTREAM_REFUSED"
    """Nobody listens there."""
    UPSTREAM_SILENT = "UPSTREAM_SILENT"
    """No connection came about in time: no way there, or nothing is said on it."""
    UPSTREAM_RESET = "UPSTREAM_RESET"
    """It closed the connection."""
    UPSTREAM_TIMEOUT = "UPSTREAM_TIMEOUT"
    """The call's deadline, or the route's timeout, passed first."""
    UPSTREAM_NAME_MISMATCH = "UPSTREAM_NAME_MISMATCH"
    """Its certificate doesn't name the route's authority, or the hub's host."""
    UPSTREAM_UNTRUSTED = "UPSTREAM_UNTRUSTED"
    """Its certificate doesn't go back to `tls.ca`."""
    UPSTREAM_EXPIRED = "UPSTREAM_EXPIRED"
    """Its certificate has expired, or isn't valid yet."""
    UPSTREAM_REFUSES_US = "UPSTREAM_REFUSES_US"
    """It hung up on our certificate."""
    UPSTREAM_PLAINTEXT = "UPSTREAM_PLAINTEXT"
    """It doesn't speak TLS."""
    UPSTREAM_WANTS_TLS = "UPSTREAM_WANTS_TLS"
    """It speaks TLS, and the route says `plaintext`."""
    UPSTREAM_NOT_GRPC = "UPSTREAM_NOT_GRPC"
    """It speaks something else than HTTP/2."""
    UPSTREAM_FAILED = "UPSTREAM_FAILED"
    """Anything else."""


class BadSetup(Exception):
    """The operator must mend a file; the text names the file, the line where there is one, and the key."""


class BadContract(BadSetup):
    """A contract can't be loaded, or classifies a field in a way that can't hold."""


class BadPolicy(BadSetup):
    """The policy can't be loaded, or promises what the privacy statement rules out."""


class BadConfig(BadSetup):
    """The configuration can't be loaded."""


RefusalReason = ItemReason | CallReason
"""Why an item or a call goes nowhere, now or ever."""

EndReason = ItemReason | CallReason | DeliveryReason
"""Why something as a whole comes to nothing: each has a status, as a call may end for it."""


class Refused(Exception):
    """An item or a call that goes nowhere. The sender must change it: sending it again won't help."""

    def __init__(self, reason: RefusalReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class Retryable(Exception):
    """A recipient can't take something now, and may later. `after` is in seconds; None leaves it to the sender.

    Raised for all that was sent, or returned as the outcome of one entry of a batch. `item_only`: the recipient is
    well, and takes others; it is this item that must wait.
    """

    def __init__(
        self,
        reason: RefusalReason = CallReason.UNAVAILABLE,
        after: float | None = None,
        *,
        item_only: bool = False,
    ) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.after = after
        self.item_only = item_only

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Retryable) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((self.reason, self.after, self.item_only))


class Rejected(Exception):
    """A recipient will never take something. Raised for all that was sent, or returned as one entry's outcome."""

    def __init__(self, reason: EndReason) -> None:
        super().__init__(reason.value)
        self.reason = reason

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rejected) and self.reason == other.reason

    def __hash__(self) -> int:
        return hash(self.reason)
