"""The exporters over HTTP as written in the policy; only shapes live here, as in `document.py`.

What must hold between their keys is checked in `exporter_checks.py`, where they may lead in `residency.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.policy.vocabulary import Positive, Seconds, Text, TypeName, Variable


class Secret(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a credential is, by one of two keys. Never in the policy itself."""

    env: Variable | None = None
    """The environment variable that holds it."""

    file: Text | None = None
    """The file that holds it, read again when it changes."""


Template = Any
"""The body that a vendor gets for one item, as a tree whose texts hold placeholders: see `template/placeholders.py`."""


class SegmentSettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="segment"
):
    """Segment's HTTP API, or RudderStack's."""

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


class MixpanelSettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="mixpanel"
):
    """Mixpanel's import API, by a service account."""

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


class ZendeskSettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="zendesk"
):
    """Zendesk's ticketing API, by an agent's address and API token, or by an OAuth token."""

    endpoint: Text
    """`https://host`, listed under `hosts` for the destination's region."""

    email: Secret | None = None
    """Where the agent's address is, with `token`."""

    token: Secret | None = None
    """Where the API token is, with `email`."""

    oauth: Secret | None = None
    """Where the OAuth token is, instead of the two."""

    items: Mapping[TypeName, Template]
    """The ticket that an item becomes, by message type: a template, in which `{user.user_id}` stands for a field."""
    timeout: Seconds = 20.0
    """How long one request may take."""

    ca: Text | None = None
    """A file in PEM that verifies the vendor; without it, or with null, what this machine trusts."""


class WebhookSettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="webhook"
):
    """JSON, signed as https://www.standardwebhooks.com has it."""

    endpoint: Text
    """`https://host/path`; the host must be listed under `hosts` for the destination's region."""

    secret: Secret
    """Where the signing secret is: `whsec_` and base64 of 24 to 64 bytes."""
    timeout: Seconds = 10.0
    """How long one request may take."""

    ca: Text | None = None
    """A file in PEM that verifies the receiver; without it, or with null, what this machine trusts."""


HttpSettings = SegmentSettings | MixpanelSettings | ZendeskSettings | WebhookSettings
"""Those that send over HTTP."""

TemplateSettings = SegmentSettings | MixpanelSettings | ZendeskSettings
"""Those whose `items` say what of an item goes where."""
