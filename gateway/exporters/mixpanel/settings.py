"""What the policy says of Mixpanel, and what Mixpanel documents of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from gateway.exporters.settings import Secret, Template, TemplateSettings, TypeName
from gateway.exporters.template.body_schema import BodySchema, ReservedKeys, json_types
from gateway.yamlfile.bounded import Positive, Seconds, Text


class MixpanelSettings(TemplateSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="mixpanel"):
    """Mixpanel's import API, by a service account."""

    # https://docs.mixpanel.com/reference/overview; of `api-eu.mixpanel.com` it says no country.
    REGION_BY_HOST: ClassVar[Mapping[str, str]] = {"api.mixpanel.com": "US", "api-in.mixpanel.com": "IN"}

    # https://docs.mixpanel.com/reference/import-events; the exporter puts `distinct_id`, `time`, `$insert_id`, `ip`
    # among the properties. https://docs.mixpanel.com/docs/data-structure/property-reference/reserved-properties: those
    # of Mixpanel's own begin with $ or mp_.
    BODY: ClassVar[BodySchema] = BodySchema(
        json_types(text="distinct_id event", object_map="properties", time_number="time"),
        required=("event",),
        reserved={"properties": ReservedKeys(frozenset({"distinct_id", "ip", "time", "token"}), prefixes=("$", "mp_"))},
    )

    endpoint: Text
    """`https://host`, in the destination's region."""

    project_id: Positive
    """The project's number."""

    username: Secret
    """Where the service account's name is."""

    password: Secret
    """Where the service account's secret is."""

    items: Mapping[TypeName, Template]
    """The event that an item becomes, by message type: a template, in which `{user.user_id}` stands for a field."""
    timeout: Seconds = 20.0
    """How long one request may take."""

    ca: Text | None = None
    """A file in PEM that verifies the vendor; without it, or with null, what this machine trusts."""
