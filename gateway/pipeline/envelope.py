"""What goes with a call beside its messages, minimised: metadata, the status's text, and its details."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, Final
from urllib.parse import quote, unquote

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError
from google.rpc.status_pb2 import Status

from gateway.detectors.budget import MAX_TEXT_CHARS
from gateway.engine.context import DecisionContext, Masked, PersonalAccount, Reported, RuleResult
from gateway.engine.rules import RuleCheck, check_of, context_rule_of
from gateway.errors import Reason, Refused
from gateway.model import Facts, Release
from gateway.pipeline.flows import SingleEngine
from gateway.plan import EnvelopePlan, Rule
from gateway.protobuf.any_message import PREFIX, type_name

STATUS_TEXTS: Final = (
    "",
    "cancelled",
    "unknown error",
    "invalid argument",
    "deadline exceeded",
    "not found",
    "already exists",
    "permission denied",
    "resource exhausted",
    "failed precondition",
    "aborted",
    "out of range",
    "unimplemented",
    "internal error",
    "unavailable",
    "data loss",
    "unauthenticated",
)
"""What a status says where its own text may not leave, by the code's number.

See https://grpc.io/docs/guides/status-codes/.
"""

UNKNOWN: Final = 2

MAX_DETAILS: Final = 64
"""How many details of a status are looked at."""

MAX_STATUS_BYTES: Final = 6 * 1024
"""The largest status with details. In base64 it takes 8 KiB, as much metadata as gRPC takes by default."""

GRPC_HEADERS: Final = frozenset({"accept-encoding", "content-type", "te", "user-agent"})
"""What gRPC adds on each hop: not relayed, and nothing lost."""

_BAGGAGE_SAFE: Final = "!#$&'()*+-./:<=>?@[]^_`{|}~"
_STATE: Final = re.compile(r"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]")

Pass = Callable[[Any, Facts], Any]
"""What of a value may leave; None if nothing may."""

Pair = tuple[str, str | bytes]


class Envelope:
    """Minimises what goes to one recipient. Raises nothing, whatever it is given. Safe to share between threads."""

    def __init__(self, plan: EnvelopePlan, details: Callable[[str], SingleEngine | None]) -> None:
        """`details` is what decides on details of a type for this recipient, by the type's full name.

        None for one that may not leave or isn't known.
        """
        self.plan = plan
        self._details = details
        self._keys = {key: _pass(key, rule) for key, rule in plan.keys.items()}
        self._lists = {
            "baggage": _Members(plan.baggage, 8192, 64, _baggage),
            "tracestate": _Members(plan.tracestate, 512, 32, _tracestate),
        }
        self._text = None if plan.message is None else check_of(plan.message)

    def metadata(self, given: Iterable[Pair], facts: Facts) -> tuple[tuple[Pair, ...], int]:
        """What is kept of a call's metadata, and how many keys, or entries of `baggage` and `tracestate`, were dropped."""
        kept: list[Pair] = []
        lists: dict[str, list[str | bytes]] = {}
        dropped = 0
        for key, value in given:
            passes = self._keys.get(key)
            if passes is not None and (left := passes(value, facts)) is not None:
                kept.append((key, left))
            elif key in self._lists:
                lists.setdefault(key, []).append(value)
            elif key not in GRPC_HEADERS and not key.startswith("grpc-"):
                dropped += 1
        for key, values in lists.items():
            text, lost = self._lists[key].minimise(values, facts)
            kept += [(key, text)] if text else []
            dropped += lost
        return tuple(kept), dropped

    def message(self, code: int, text: str) -> str:
        """The text of a status with the code number `code`."""
        if not code or not text:
            return ""
        if self._text is None or len(text) > MAX_TEXT_CHARS:
            return _fixed(code)
        left = _left(text, self._text(text))
        return _fixed(code) if left is None else left

    def details(self, code: int, text: str, raw: bytes, facts: Facts) -> bytes:
        """A serialised `google.rpc.Status`, `raw`, minimised; it says `code` and the text that goes with it.

        Empty if no details are left.

        Details beyond MOST_DETAILS, and from the first one on that would make it larger than MOST_BYTES, are removed.
        """
        status = Status(code=_known(code), message=self.message(code, text))
        for given in islice(_details(raw), MAX_DETAILS):
            if (detail := self._detail(given, facts)) is not None:
                status.details.append(detail)
                if status.ByteSize() > MAX_STATUS_BYTES:
                    del status.details[-1]
                    break
        return status.SerializeToString() if status.details else b""

    def _detail(self, given: AnyMessage, facts: Facts) -> AnyMessage | None:
        name = type_name(given.type_url)
        engine = self._details(name)
        if engine is None:
            return None
        try:
            verdict = engine.decide(given.value, facts)
        except Refused:
            return None
        return AnyMessage(type_url=PREFIX + name, value=verdict.payload) if isinstance(verdict, Release) else None


class _Members:
    """Minimises the values of a key that is a list of `key=value`, of `longest` characters and `most` members at most.

    `member` turns what passes a value into what passes it as it is written.
    """

    def __init__(
        self, rules: Mapping[str, Rule | None], longest: int, most: int, member: Callable[[Pass], Pass]
    ) -> None:
        self._passes = {name: member(_ruled(rule)) for name, rule in rules.items()}
        self._longest = longest
        self._most = most

    def minimise(self, values: list[str | bytes], facts: Facts) -> tuple[str, int]:
        """What is left, empty if nothing is, and how many members were dropped.

        A list beyond the bounds counts as one for each value.
        """
        if not self._passes or not all(map(_is_printable, values)):
            return "", len(values)
        whole = ",".join(map(str, values))
        members = [member.strip() for member in whole.split(",", self._most)]
        if len(whole) > self._longest or len(members) > self._most:
            return "", len(values)
        kept: dict[str, str] = {}
        for member in members:
            name, _, value = member.partition("=")
            name = name.rstrip()
            passes = None if name in kept else self._passes.get(name)
            if passes is not None and (left := passes(value.strip(), facts)) is not None:
                kept[name] = left
        text = ",".join(f"{name}={value}" for name, value in kept.items())
        lost = sum(map(bool, members)) - len(kept)
        return (text, lost) if len(text) <= self._longest else ("", lost + len(kept))


def _baggage(passes: Pass) -> Pass:
    """A member of https://www.w3.org/TR/baggage/: judged as what it says, without its properties."""

    def member(written: str, facts: Facts) -> str | None:
        try:
            value = unquote(written.partition(";")[0].rstrip(), errors="strict")
        except UnicodeDecodeError:
            return None
        left = passes(value, facts)
        return None if left is None else quote(left, safe=_BAGGAGE_SAFE)

    return member


def _tracestate(passes: Pass) -> Pass:
    """A member of https://www.w3.org/TR/trace-context/#tracestate-header."""

    def member(written: str, facts: Facts) -> str | None:
        left = passes(written, facts) if _STATE.fullmatch(written) else None
        return left if left is not None and _STATE.fullmatch(left) else None

    return member


def _pass(key: str, rule: Rule | None) -> Pass:
    """What passes a key's values. No rule reads bytes: where they may leave, they leave as they are."""
    if not key.endswith("-bin"):
        return _printable(_ruled(rule))
    return lambda value, facts: value if rule is None and isinstance(value, bytes) else None


def _printable(passes: Pass) -> Pass:
    """What gRPC takes as a text: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests."""

    def text(value: Any, facts: Facts) -> str | None:
        left = passes(value, facts) if _is_printable(value) else None
        return left if _is_printable(left) else None

    return text


def _is_printable(value: Any) -> bool:
    return isinstance(value, str) and value.isascii() and value.isprintable()


def _ruled(rule: Rule | None) -> Pass:
    """What a rule leaves of a string."""
    if rule is None:
        return lambda value, facts: value
    judge = check_of(rule)
    return _by_facts(rule) if judge is None else _by_value(judge)


def _by_value(judge: RuleCheck) -> Pass:
    return lambda value, facts: _left(value, judge(value))


def _by_facts(rule: Rule) -> Pass:
    judge = context_rule_of(rule, None)

    def passes(value: str, facts: Facts) -> str | None:
        try:
            return _left(value, judge(value, DecisionContext(facts)))
        except PersonalAccount:
            return None

    return passes


def _left(value: str, ruled: RuleResult) -> str | None:
    """What a ruling leaves. Only free text is masked."""
    if ruled is None or isinstance(ruled, Reported):
        return value
    if isinstance(ruled, Reason):
        return None
    return ruled.text if isinstance(ruled, Masked) else str(ruled)


def _fixed(code: int) -> str:
    return STATUS_TEXTS[_known(code)]


def _known(code: int) -> int:
    """A code that gRPC doesn't know is UNKNOWN to it."""
    return code if 0 <= code < len(STATUS_TEXTS) else UNKNOWN


def _details(raw: bytes) -> Iterable[AnyMessage]:
    """The details of a serialised status; none if it is malformed."""
    try:
        return Status.FromString(raw).details  # type: ignore[no-any-return]
    except DecodeError:
        return ()
