"""Which metadata a recipient gets with a call, by which rules, and what of it the policy can't list.

What gRPC itself needs (timeout, encodings, content type, user agent) it adds on each hop: that is never relayed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from gateway.errors import FieldReason, Reason
from gateway.model import EU, Category, FieldPrivacy, Recipient
from gateway.plan import EnvelopePlan, FreeText, Rule, Text
from gateway.policy import problems as fault
from gateway.policy.document import Classification, Metadata
from gateway.policy.open_patterns import OpenPattern, open_probe
from gateway.policy.placement import forbidden_reason
from gateway.policy.rules import RecipientTerms, rule_for
from gateway.yamlfile import Problem

Entries = Mapping[str, Category | Classification]
"""What metadata keys, or entries of one, hold."""

TRACEPARENT: Final = Text(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
"""Version 00 of https://www.w3.org/TR/trace-context/#traceparent-header. Detectors would see numbers in its digits."""

RETRY_PUSHBACK: Final = Text(r"-?[0-9]{1,7}")
"""When to try again, in milliseconds up to some two hours.

Below 0, never: https://github.com/grpc/proposal/blob/master/A6-client-retries.md.
"""

KEYS_WITH_ENTRIES: Final = frozenset({"baggage", "tracestate"})
"""Keys whose entries are named one by one."""

HOP_BY_HOP_KEYS: Final = frozenset(
    """
    accept-encoding connection content-encoding content-length content-type host http2-settings keep-alive
    proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding upgrade user-agent
    """.split()
)
"""Keys that are about one hop: https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1, and what gRPC writes itself."""

_TRACE_KEY: Final = re.compile(
    r"trace|span[-_.]?id|(request|correlation|transaction)[-_.]?id|\bb3\b|x-datadog-|uberctx-|ot-tracer-|baggage"
)
"""Names of trace context, baggage and request IDs.

W3C, B3, Jaeger, Datadog, AWS, Google, Sentry and what services call their own.
"""

_BAGGAGE_STAYS_IN_EU: Final = "trace context and baggage don't leave the EU"
_IDS_STAY_IN_EU: Final = "trace context and request IDs don't leave the EU"
_REASON_TEXTS: Final[Mapping[Reason, str]] = {
    FieldReason.OPAQUE: "a key that ends in -bin is opaque: nobody can tell what it holds",
    FieldReason.NOT_CLOSED: "leaves the EU only with one_of or a pattern",
}
_NOT_FOR_METADATA: Final = ("map_key", "subject", "workspace", "min", "max")
_NOT_FOR_BYTES: Final = ("pattern", "max_length", "one_of", "without")


def envelope_plan(metadata: Metadata, terms: RecipientTerms) -> EnvelopePlan:
    """Return what the recipient of `terms` gets. A key or an entry that may not go there is not in the plan."""
    keys = {**_listed_keys(metadata, terms), **_implicit_keys(terms)}
    baggage, tracestate = (
        {} if terms.outside_eu else _entries(entries, terms) for entries in (metadata.baggage, metadata.tracestate)
    )
    return EnvelopePlan(terms.name, keys, baggage, tracestate, FreeText() if terms.allows(Category.FREE_TEXT) else None)


def problems(
    keys: tuple[str | int, ...], metadata: Metadata, region: str, identifiers: Collection[str] = ()
) -> Iterator[Problem]:
    """Yield the problems of `metadata`, which stands at `keys` in the policy and goes to `region`.

    `identifiers` are the patterns that may leave the EU whatever fits them.
    """
    yield from _problems_of_names(keys, metadata, region)
    yield from fault.duplicates((*keys, "credentials"), metadata.credentials)
    for index, name in enumerate(metadata.credentials):
        if name in metadata.keys:
            yield (*keys, "credentials", index), "is listed under keys too"
    for section, entries in (
        ("keys", metadata.keys),
        ("baggage", metadata.baggage),
        ("tracestate", metadata.tracestate),
    ):
        if entries and section in KEYS_WITH_ENTRIES and region not in EU:
            yield (*keys, section), _BAGGAGE_STAYS_IN_EU
            continue
        for name, classified in entries.items():
            yield from _problems_of_value(
                (*keys, section, name), _kind(name) if section == "keys" else "string", classified, region
            )
            if region not in EU and not _forbidden_key_reason(name, region):
                yield from _problems_of_pattern((*keys, section, name), _privacy(classified), region, identifiers)


def _implicit_keys(terms: RecipientTerms) -> Mapping[str, Rule | None]:
    """Return the keys that go without being listed."""
    traced = not terms.outside_eu and terms.allows(Category.OPERATIONAL)
    return {"grpc-retry-pushback-ms": RETRY_PUSHBACK, **({"traceparent": TRACEPARENT} if traced else {})}


def _listed_keys(metadata: Metadata, terms: RecipientTerms) -> Mapping[str, Rule | None]:
    rulings = {name: _ruling(_kind(name), classified, terms) for name, classified in metadata.keys.items()}
    return {
        name: ruling
        for name, ruling in {**rulings, **dict.fromkeys(metadata.credentials)}.items()
        if not isinstance(ruling, Reason) and not _forbidden_key_reason(name, terms.region)
    }


def _entries(entries: Entries, terms: RecipientTerms) -> Mapping[str, Rule | None]:
    rulings = ((name, _ruling("string", classified, terms)) for name, classified in entries.items())
    return {name: ruling for name, ruling in rulings if not isinstance(ruling, Reason)}


def _ruling(kind: str, classified: Category | Classification, terms: RecipientTerms) -> Rule | Reason | None:
    return rule_for(kind, _privacy(classified), terms)


def _kind(name: str) -> str:
    """Return the kind of a key's values: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md."""
    return "bytes" if name.endswith("-bin") else "string"


def _privacy(classified: Category | Classification) -> FieldPrivacy:
    return classified.privacy if isinstance(classified, Classification) else FieldPrivacy(category=classified)


def _problems_of_names(keys: tuple[str | int, ...], metadata: Metadata, region: str) -> Iterator[Problem]:
    places: Iterable[tuple[tuple[str | int, ...], str]] = (
        *(((*keys, "keys", name), name) for name in metadata.keys),
        *(((*keys, "credentials", index), name) for index, name in enumerate(metadata.credentials)),
    )
    for place, name in places:
        if reason := _forbidden_key_reason(name, region):
            yield place, reason


def _forbidden_key_reason(name: str, region: str) -> str:
    """Return why a key can't be listed for a region, whatever it holds; empty if it can."""
    return _reserved_key_reason(name) or ("" if region in EU or not _TRACE_KEY.search(name) else _IDS_STAY_IN_EU)


def _reserved_key_reason(name: str) -> str:
    """Return the same for any region."""
    if name in KEYS_WITH_ENTRIES:
        return f"has a section of its own, {name}, that names its entries"
    return "is gRPC's own, and added on each hop" if name in HOP_BY_HOP_KEYS or name.startswith((":", "grpc-")) else ""


def _problems_of_pattern(
    keys: tuple[str | int, ...], privacy: FieldPrivacy, region: str, identifiers: Collection[str]
) -> Iterator[Problem]:
    """Yield that a pattern lets something personal leave the EU."""
    if [*fault.pattern_problems((), privacy.pattern)]:
        return
    if probe := open_probe(rule_for("string", privacy, _anyone_in(region)), identifiers):
        yield (*keys, "pattern"), OpenPattern(keys, probe).text


def _anyone_in(region: str) -> RecipientTerms:
    """The terms of a recipient that may receive all that its region may."""
    return RecipientTerms("", Recipient.SERVICE, region, frozenset(Category), "", None)


def _problems_of_value(
    keys: tuple[str | int, ...], kind: str, classified: Category | Classification, region: str
) -> Iterator[Problem]:
    privacy = _privacy(classified)
    reason = forbidden_reason(privacy.category, region) or _unfit_reason(kind, privacy, region)
    if reason:
        yield keys, reason
    if isinstance(classified, Classification):
        yield from fault.value_rule_problems(keys, classified)
        for name in (*_NOT_FOR_METADATA, *(_NOT_FOR_BYTES if kind == "bytes" else ())):
            if getattr(privacy, name) != getattr(FieldPrivacy(), name):
                yield (
                    (*keys, name),
                    "is not for metadata" if name in _NOT_FOR_METADATA else "is not for a key that ends in -bin",
                )


def _unfit_reason(kind: str, privacy: FieldPrivacy, region: str) -> str:
    """Return why no recipient in a region could get it, even one that may receive all that the region may.

    Empty if one could.
    """
    ruling = rule_for(kind, privacy, _anyone_in(region))
    return _REASON_TEXTS.get(ruling, ruling.name) if isinstance(ruling, Reason) else ""
