"""What vendors document of themselves, and a policy must fit: which hosts are theirs, by region, and which fields their bodies have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

HOSTS: Final[Mapping[str, Mapping[str, str]]] = {
    "segment": {"api.segment.io": "US", "events.eu1.segmentapis.com": "IE"},
    "mixpanel": {"api.mixpanel.com": "US", "api-in.mixpanel.com": "IN"},
}
"""The region of each host, by exporter kind.

Segment: Oregon and Dublin, https://www.twilio.com/docs/segment/guides/regional-segment. Mixpanel:
https://docs.mixpanel.com/reference/overview; of `api-eu.mixpanel.com` it says no country, and neither does a name below `zendesk.com`.
Such a host counts where the policy's `hosts` list it.
"""

REGIONS: Final[Mapping[str, str]] = {host: region for hosts in HOSTS.values() for host, region in hosts.items()}
"""The region of every known host: no policy can say otherwise."""


class Shape(msgspec.Struct, frozen=True):
    """An object's fields, and the sorts of value that each may have; those of `required` must be there, and not empty.

    `inner` are the shapes of fields that have one.
    """

    fields: Mapping[str, tuple[str, ...]]
    required: tuple[str, ...] = ()
    inner: Mapping[str, Shape] = {}


def _shape(required: str, inner: Mapping[str, Shape] | None = None, **sorts: str) -> Shape:
    """A shape: `text="subject status"` says which fields are texts, `time_number="time"` which may be either."""
    fields = {name: tuple(sort.split("_")) for sort, names in sorts.items() for name in names.split()}
    return Shape(fields, tuple(required.split()), inner or {})


SHAPES: Final[Mapping[str, Shape]] = {
    # https://www.twilio.com/docs/segment/connections/spec/track; `type` and `messageId` are the exporter's.
    "segment": _shape("event", text="anonymousId event userId", object="context integrations properties", time="timestamp"),
    # https://docs.mixpanel.com/reference/import-events; the exporter puts `distinct_id` and `time` among the properties, and `$insert_id`.
    "mixpanel": _shape("event", text="distinct_id event", object="properties", time_number="time"),
    # https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/: what an agent may set when a ticket is created.
    "zendesk": _shape(
        "comment",
        {
            "comment": _shape("", text="body html_body", flag="public"),
            "requester": _shape("", text="email name", number="locale_id"),
        },
        text="external_id priority status subject type",
        object="comment requester",
        list="custom_fields tags",
        number="assignee_id brand_id group_id ticket_form_id",
        time="due_at",
    ),
}
"""The body of one item, by exporter kind."""

RESERVED: Final[Mapping[str, Mapping[str, frozenset[str]]]] = {
    "mixpanel": {"properties": frozenset({"$insert_id", "distinct_id", "time", "token"})},
}
"""Keys that no template may write into a field, for the exporter does or nobody may."""


def misplaced(kind: str, tree: Any) -> tuple[tuple[str | int, ...], str] | None:
    """Where and why a template isn't a body that the vendor takes; None if it is."""
    fault = _misfit(tree, SHAPES[kind], ())
    if fault is not None:
        return fault
    for field, keys in RESERVED.get(kind, {}).items():
        written = tree.get(field)
        taken = sorted(keys.intersection(written)) if isinstance(written, Mapping) else []
        if taken:
            return (field, taken[0]), "is not for a template to write"
    return None


def _misfit(tree: Any, shape: Shape, keys: tuple[str, ...]) -> tuple[tuple[str | int, ...], str] | None:
    if not isinstance(tree, Mapping):
        return keys, "must be a mapping of the vendor's fields to values"
    for field in tree:
        if field not in shape.fields:
            return (*keys, field), f"is no field of the vendor's; known: {', '.join(sorted(shape.fields))}"
    for field in shape.required:
        if tree.get(field, "") in ("", {}):
            return (*keys, field), "is required"
    found = (_misfit(tree[field], inner, (*keys, field)) for field, inner in shape.inner.items() if field in tree)
    return next(filter(None, found), None)
