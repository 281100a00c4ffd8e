"""What the policy says of Zendesk, and what Zendesk documents of itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, Final

from gateway.exporters.settings import Secret, Template, TemplateSettings, TypeName
from gateway.exporters.template.body_schema import BodySchema, json_types
from gateway.exporters.template.markup import Markup
from gateway.yamlfile import Problem
from gateway.yamlfile.bounded import Seconds, Text

OAUTH_OR_EMAIL: Final = "must say oauth, or email and token"

_COMMENT: Final = BodySchema(
    json_types(text="body html_body", flag="public"),
    markup_by_field={"body": Markup.MARKDOWN, "html_body": Markup.HTML},
)
_REQUESTER: Final = BodySchema(
    json_types(text="email name", number="locale_id"),
    markup=Markup.LIQUID,
    markup_by_field={"email": Markup.IDENTITY},
)


class ZendeskSettings(TemplateSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="zendesk"):
    """Zendesk's ticketing API, by an agent's address and API token, or by an OAuth token."""

    # No name below `zendesk.com` tells its country: the policy's `hosts` do.

    # https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/: what an agent may set when a ticket is
    # created.
    BODY: ClassVar[BodySchema] = BodySchema(
        json_types(
            text="external_id priority status subject type",
            object="comment requester",
            list="custom_fields tags",
            number="assignee_id brand_id group_id ticket_form_id",
            time="due_at",
        ),
        required=("comment",),
        nested={"comment": _COMMENT, "requester": _REQUESTER},
        markup=Markup.LIQUID,
        markup_by_field={"external_id": Markup.IDENTITY, "tags": Markup.TAG},
    )

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

    def credential_problems(self) -> Iterator[Problem]:
        """Those of each by itself, and of which Zendesk takes none together."""
        yield from super().credential_problems()
        if set(self.secrets) not in ({"oauth"}, {"email", "token"}):
            yield (), OAUTH_OR_EMAIL
