"""The exporters over HTTP as written in the policy; only shapes live here, as in `document.py`.

What must hold between their keys is checked in `outgoing.py`, where they may lead in `residency.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.policy.vocabulary import Positive, Seconds, Text, TypeName, Variable


class Secret(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a credential is: in the environment variable `env`, or in the file at `file`. Never in the policy itself."""

    env: Variable | None = None
    file: Text | None = None


Template = Any
"""The body that a vendor gets for one item, as a tree whose texts hold placeholders: see `mapping.py`."""


class SegmentExporter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="segment"):
    """Segment's HTTP API, or RudderStack's, at `endpoint`, `https://host`. `items` are track calls, by message type.

    Here and below `timeout` is in seconds, `ca` a PEM file.
    """

    endpoint: Text
    write_key: Secret
    items: Mapping[TypeName, Template]
    timeout: Seconds = 10.0
    ca: Text | None = None


class MixpanelExporter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="mixpanel"):
    """Mixpanel's import API at `endpoint`, `https://host`, by a service account. `items` are events."""

    endpoint: Text
    project_id: Positive
    username: Secret
    password: Secret
    items: Mapping[TypeName, Template]
    timeout: Seconds = 20.0
    ca: Text | None = None


class ZendeskExporter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="zendesk"):
    """Zendesk's ticketing API at `endpoint`, `https://host`, by an agent's `email` and API `token`, or by `oauth`. `items` are tickets."""

    endpoint: Text
    email: Secret | None = None
    token: Secret | None = None
    oauth: Secret | None = None
    items: Mapping[TypeName, Template]
    timeout: Seconds = 20.0
    ca: Text | None = None


class WebhookExporter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="webhook"):
    """JSON to `endpoint`, `https://host/path`, signed as https://www.standardwebhooks.com has it with `secret`, `whsec_…`."""

    endpoint: Text
    secret: Secret
    timeout: Seconds = 10.0
    ca: Text | None = None


HttpExporter = SegmentExporter | MixpanelExporter | ZendeskExporter | WebhookExporter
"""Those that send over HTTP."""

Mapped = SegmentExporter | MixpanelExporter | ZendeskExporter
"""Those whose `items` say what of an item goes where."""
