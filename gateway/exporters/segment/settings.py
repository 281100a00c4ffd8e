"""What the policy says of Segment, or of RudderStack, and what Segment documents of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from gateway.exporters.settings import Secret, Template, TemplateSettings, TypeName
from gateway.exporters.template.body_schema import BodySchema, ReservedKeys, json_types
from gateway.yamlfile.bounded import Seconds, Text


class SegmentSettings(TemplateSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="segment"):
    """Segment's HTTP API, or RudderStack's."""

    # Oregon and Dublin: https://www.twilio.com/docs/segment/guides/regional-segment.
    REGION_BY_HOST: ClassVar[Mapping[str, str]] = {"api.segment.io": "US", "events.eu1.segmentapis.com": "IE"}

    # https://www.twilio.com/docs/segment/connections/spec/track; `type` and `messageId` are the exporter's. A person is
    # located by `context.ip`. Which destinations get an event, `integrations` say.
    BODY: ClassVar[BodySchema] = BodySchema(
        json_types(
            text="anonymousId event userId", object="context integrations", object_map="properties", time="timestamp"
        ),
        required=("event",),
        reserved={"context": ReservedKeys(frozenset({"ip"}))},
    )

    endpoint: Text
    """`https://host`, in the destination's region."""

    write_key: Secret
    """Where the source's write key is."""

    items: Mapping[TypeName, Template]
    """The track call that an item becomes, by message type.

    A template, in which `{user.user_id}` stands for a field.
    """
    timeout: Seconds = 10.0
    """How long one request may take."""

    ca: Text | None = None
    """A file in PEM that verifies the vendor; without it, or with null, what this machine trusts."""
