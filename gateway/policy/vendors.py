"""What vendors document of themselves, and a policy must fit.

Which hosts are theirs, by region, and which fields their bodies have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from gateway.policy.template.markup import Markup

KNOWN_HOSTS: Final[Mapping[str, Mapping[str, str]]] = {
    "segment": {"api.segment.io": "US", "events.eu1.segmentapis.com": "IE"},
    "mixpanel": {"api.mixpanel.com": "US", "api-in.mixpanel.com": "IN"},
}
"""The region of each host, by exporter kind.

Segment: Oregon and Dublin, https://www.twilio.com/docs/segment/guides/regional-segment. Mixpanel:
https://docs.mixpanel.com/reference/overview; of `api-eu.mixpanel.com` it says no country, and neither does a name below
`zendesk.com`. Such a host counts where the policy's `hosts` list it.
"""

REGION_BY_HOST: Final[Mapping[str, str]] = {
    host: region for hosts in KNOWN_HOSTS.values() for host, region in hosts.items()
}
"""The region of every known host: no policy can say otherwise."""


class ReservedKeys(msgspec.Struct, frozen=True):
    """Keys of an object that the vendor gives a meaning of its own: no item may write one, whichever way it comes."""

    names: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()

    def contains(self, key: str) -> bool:
        """Whether a key is one of them."""
        return key in self.names or key.startswith(self.prefixes)


NO_RESERVED_KEYS: Final = ReservedKeys()


class BodySchema(msgspec.Struct, frozen=True):
    """An object's fields, and the sorts of value that each may have.

    Those of `required` must be there, and not empty.

    `inner` are the shapes of fields that have one, `reserved` the keys that are within fields that have none. `markup`
    is what the vendor reads in texts, but for those of `special`.
    """

    fields: Mapping[str, tuple[str, ...]]
    required: tuple[str, ...] = ()
    nested: Mapping[str, BodySchema] = {}
    reserved: Mapping[str, ReservedKeys] = {}
    markup: Markup = Markup.NONE
    markup_by_field: Mapping[str, Markup] = {}

    def markup_of(self, field: str) -> Markup:
        """What the vendor reads in the texts of a field."""
        return self.markup_by_field.get(field, self.markup)


UNCHECKED_BODY: Final = BodySchema({})
"""Of what the vendor doesn't look into."""


def _schema(required: str, **sorts: str) -> BodySchema:
    """A shape: `text="subject status"` says which fields are texts, `time_number="time"` which may be either."""
    fields = {name: tuple(sort.split("_")) for sort, names in sorts.items() for name in names.split()}
    return BodySchema(fields, tuple(required.split()))


_SEGMENT_EVENT: Final = _schema(
    "event", text="anonymousId event userId", object="context integrations", object_map="properties", time="timestamp"
)

_MIXPANEL_EVENT: Final = _schema("event", text="distinct_id event", object_map="properties", time_number="time")

_TICKET: Final = _schema(
    "comment",
    text="external_id priority status subject type",
    object="comment requester",
    list="custom_fields tags",
    number="assignee_id brand_id group_id ticket_form_id",
    time="due_at",
)
_COMMENT: Final = _schema("", text="body html_body", flag="public")
_REQUESTER: Final = _schema("", text="email name", number="locale_id")

_replace: Final = msgspec.structs.replace

BODY_SCHEMAS: Final[Mapping[str, BodySchema]] = {
    # https://www.twilio.com/docs/segment/connections/spec/track; `type` and `messageId` are the exporter's. A person is
    # located by `context.ip`. Which destinations get an event, `integrations` say.
    "segment": _replace(_SEGMENT_EVENT, reserved={"context": ReservedKeys(frozenset({"ip"}))}),
    # https://docs.mixpanel.com/reference/import-events; the exporter puts `distinct_id`, `time`, `$insert_id`, `ip`
    # among the properties. https://docs.mixpanel.com/docs/data-structure/property-reference/reserved-properties: those
    # of Mixpanel's own begin with $ or mp_.
    "mixpanel": _replace(
        _MIXPANEL_EVENT,
        reserved={"properties": ReservedKeys(frozenset({"distinct_id", "ip", "time", "token"}), prefixes=("$", "mp_"))},
    ),
    # https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/: what an agent may set when a ticket is
    # created.
    "zendesk": _replace(
        _TICKET,
        nested={
            "comment": _replace(_COMMENT, markup_by_field={"body": Markup.MARKDOWN, "html_body": Markup.HTML}),
            "requester": _replace(_REQUESTER, markup=Markup.LIQUID, markup_by_field={"email": Markup.IDENTITY}),
        },
        markup=Markup.LIQUID,
        markup_by_field={"external_id": Markup.IDENTITY, "tags": Markup.TAG},
    ),
}
"""The body of one item, by exporter kind."""


def body_problem(kind: str, tree: Any) -> tuple[tuple[str | int, ...], str] | None:
    """Where and why a template isn't a body that the vendor takes; None if it is."""
    return _problem_of_object(tree, BODY_SCHEMAS[kind], ())


def _problem_of_object(tree: Any, shape: BodySchema, keys: tuple[str, ...]) -> tuple[tuple[str | int, ...], str] | None:
    if not isinstance(tree, Mapping):
        return keys, "must be a mapping of the vendor's fields to values"
    for field in tree:
        if field not in shape.fields:
            return (*keys, field), f"is no field of the vendor's; known: {', '.join(sorted(shape.fields))}"
    for field in shape.required:
        if tree.get(field, "") in ("", {}):
            return (*keys, field), "is required"
    found = (_problem_of_field(tree[field], field, shape, (*keys, field)) for field in tree)
    return next(filter(None, found), None)


def _problem_of_field(
    value: Any, field: str, shape: BodySchema, keys: tuple[str, ...]
) -> tuple[tuple[str | int, ...], str] | None:
    if field in shape.nested:
        return _problem_of_object(value, shape.nested[field], keys)
    if isinstance(value, Mapping):
        taken = sorted(filter(shape.reserved.get(field, NO_RESERVED_KEYS).contains, value))
        return ((*keys, taken[0]), "is not for a template to write") if taken else None
    return None
