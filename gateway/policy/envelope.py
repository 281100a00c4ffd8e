"""What goes with a call beside its messages.

Which metadata a recipient gets, by which rules, and what the policy can't list of it.

What gRPC itself needs (timeout, encodings, content type, user agent) it adds on each hop: that is never relayed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from gateway.errors import FieldReason, Reason
from gateway.model import EU, Category, FieldPrivacy, Recipient
from gateway.plan import EnvelopePlan, FreeText, Rule, Text
from gateway.policy import faults as fault
from gateway.policy.document import Classification, Metadata
from gateway.policy.judge import Site, judge
from gateway.policy.residency import barred
from gateway.yamlfile import Fault

Holding = Mapping[str, Category | Classification]
"""What metadata keys, or entries of one, hold."""

TRACEPARENT: Final = Text(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
"""Version 00 of https://www.w3.org/TR/trace-context/#traceparent-header. Detectors would see numbers in its digits."""

PUSHBACK: Final = Text(r"-?[0-9]{1,7}")
"""When to try again, in milliseconds up to some two hours.

Below 0, never: https://github.com/grpc/proposal/blob/master/A6-client-retries.md.
"""

SECTIONS: Final = frozenset({"baggage", "tracestate"})
"""Keys whose entries are named one by one."""

HOPS: Final = frozenset(
    """
    accept-encoding connection content-encoding content-length content-type host http2-settings keep-alive proxy-authenticate
    proxy-authorization proxy-connection te trailer transfer-encoding upgrade user-agent
    """.split()
)
"""Keys that are about one hop: https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1, and what gRPC writes itself."""

_TRACES: Final = re.compile(
    r"trace|span[-_.]?id|(request|correlation|transaction)[-_.]?id|\bb3\b|x-datadog-|uberctx-|ot-tracer-|baggage"
)
"""Names of trace context, baggage and request IDs.

W3C, B3, Jaeger, Datadog, AWS, Google, Sentry and what services call their own.
"""

_STAY: Final = "trace context and baggage don't leave the EU"
_IDS_STAY: Final = "trace context and request IDs don't leave the EU"
_NEVER_FITS: Final[Mapping[Reason, str]] = {
    FieldReason.OPAQUE: "a key that ends in -bin is opaque: nobody can tell what it holds",
    FieldReason.NOT_CLOSED: "leaves the EU only with one_of or a pattern",
}
_MEANINGLESS: Final = ("map_key", "subject", "min", "max")
_OF_TEXT: Final = ("pattern", "max_length", "one_of", "without")


def envelope(metadata: Metadata, site: Site) -> EnvelopePlan:
    """What `site` gets. A key or an entry that may not go there is not in the plan."""
    keys = {**_keys(metadata, site), **_own(site)}
    baggage, tracestate = (
        {} if site.outside else _entries(held, site) for held in (metadata.baggage, metadata.tracestate)
    )
    return EnvelopePlan(site.name, keys, baggage, tracestate, FreeText() if site.lets(Category.FREE_TEXT) else None)


def faults(keys: tuple[str | int, ...], metadata: Metadata, region: str) -> Iterator[Fault]:
    """What can't be in `metadata`, which stands at `keys` in the policy and goes to `region`."""
    yield from _faults_of_names(keys, metadata, region)
    yield from fault.twice((*keys, "credentials"), metadata.credentials)
    for index, name in enumerate(metadata.credentials):
        if name in metadata.keys:
            yield (*keys, "credentials", index), "is listed under keys too"
    for section, held in (("keys", metadata.keys), ("baggage", metadata.baggage), ("tracestate", metadata.tracestate)):
        if held and section in SECTIONS and region not in EU:
            yield (*keys, section), _STAY
            continue
        for name, classified in held.items():
            yield from _faults_of_value(
                (*keys, section, name), _kind(name) if section == "keys" else "string", classified, region
            )


def _own(site: Site) -> Mapping[str, Rule | None]:
    """What goes without being listed."""
    traced = not site.outside and site.lets(Category.OPERATIONAL)
    return {"grpc-retry-pushback-ms": PUSHBACK, **({"traceparent": TRACEPARENT} if traced else {})}


def _keys(metadata: Metadata, site: Site) -> Mapping[str, Rule | None]:
    rulings = {name: _ruling(_kind(name), held, site) for name, held in metadata.keys.items()}
    return {
        name: ruling
        for name, ruling in {**rulings, **dict.fromkeys(metadata.credentials)}.items()
        if not isinstance(ruling, Reason) and not _barred(name, site.region)
    }


def _entries(held: Holding, site: Site) -> Mapping[str, Rule | None]:
    rulings = ((name, _ruling("string", classified, site)) for name, classified in held.items())
    return {name: ruling for name, ruling in rulings if not isinstance(ruling, Reason)}


def _ruling(kind: str, held: Category | Classification, site: Site) -> Rule | Reason | None:
    return judge(kind, _privacy(held), site)


def _kind(name: str) -> str:
    """The kind of a key's values: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md."""
    return "bytes" if name.endswith("-bin") else "string"


def _privacy(held: Category | Classification) -> FieldPrivacy:
    return held.privacy if isinstance(held, Classification) else FieldPrivacy(category=held)


def _faults_of_names(keys: tuple[str | int, ...], metadata: Metadata, region: str) -> Iterator[Fault]:
    places: Iterable[tuple[tuple[str | int, ...], str]] = (
        *(((*keys, "keys", name), name) for name in metadata.keys),
        *(((*keys, "credentials", index), name) for index, name in enumerate(metadata.credentials)),
    )
    for place, name in places:
        if reason := _barred(name, region):
            yield place, reason


def _barred(name: str, region: str) -> str:
    """Why a key can't be listed for a region, whatever it holds; empty if it can."""
    return _reserved(name) or ("" if region in EU or not _TRACES.search(name) else _IDS_STAY)


def _reserved(name: str) -> str:
    """The same, for any region."""
    if name in SECTIONS:
        return f"has a section of its own, {name}, that names its entries"
    return "is gRPC's own, and added on each hop" if name in HOPS or name.startswith((":", "grpc-")) else ""


def _faults_of_value(
    keys: tuple[str | int, ...], kind: str, held: Category | Classification, region: str
) -> Iterator[Fault]:
    privacy = _privacy(held)
    reason = barred(privacy.category, region) or _unfit(kind, privacy, region)
    if reason:
        yield keys, reason
    if isinstance(held, Classification):
        yield from fault.of_values(keys, held)
        for name in (*_MEANINGLESS, *(_OF_TEXT if kind == "bytes" else ())):
            if getattr(privacy, name) != getattr(FieldPrivacy(), name):
                yield (
                    (*keys, name),
                    "is not for metadata" if name in _MEANINGLESS else "is not for a key that ends in -bin",
                )


def _unfit(kind: str, privacy: FieldPrivacy, region: str) -> str:
    """Why no recipient in a region could get it, even one that may receive all that the region may.

    Empty if one could.
    """
    ruling = judge(kind, privacy, Site("", Recipient.SERVICE, region, frozenset(Category), "", None))
    return _NEVER_FITS.get(ruling, ruling.name) if isinstance(ruling, Reason) else ""
