"""What the settings of exporters have in common; those of a kind are in its folder, `<kind>/settings.py`.

Only what the policy says: nothing here, nor in a kind's settings, sends, reads a file or knows of other destinations.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from gateway.exporters.template.body_schema import BodySchema
from gateway.exporters.template.checks import vendor_problems
from gateway.yamlfile import Problem
from gateway.yamlfile.bounded import ENV_OR_FILE, Text, Variable

TypeName = Annotated[
    str,
    Meta(
        pattern=r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", description="a message type's full name, such as acme.crm.v1.Contact"
    ),
]
Template = Any
"""The body that a vendor gets for one item, as a tree whose texts hold placeholders: see `template/placeholders.py`.

To whoever reads the document it is any tree; all else takes it as a mapping of `TemplateValue`.
"""


class Secret(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a credential is, by one of two keys. Never in the policy itself."""

    env: Variable | None = None
    """The environment variable that holds it."""

    file: Text | None = None
    """The file that holds it, read again when it changes."""


class SettingsBase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """The settings of an exporter: one mapping of the policy, whose `kind` says which."""

    @property
    def kind(self) -> str:
        """Of which kind it is, as the policy says it."""
        return str(self.__struct_config__.tag)

    def problems(self) -> Iterator[Problem]:
        """What can't be in them, whatever contract and destination say."""
        yield from ()


class EndpointSettings(SettingsBase, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Those of an exporter that sends to a host."""

    ENDPOINT_FORM: ClassVar[str] = "https://host"
    """What the endpoint looks like: with a port or a path only if this has one."""

    REGION_BY_HOST: ClassVar[Mapping[str, str]] = {}
    """The vendor's hosts, each with the country that the vendor says it is in.

    No policy can say otherwise of one. Any other host counts where the policy's `hosts` list it.
    """

    @property
    @abstractmethod
    def endpoint(self) -> str:
        """Where it sends to: a URL."""

    @property
    @abstractmethod
    def timeout(self) -> float:
        """How long one request may take, in seconds."""

    @property
    @abstractmethod
    def ca(self) -> str | None:
        """A file in PEM that verifies the recipient; None for what this machine trusts."""

    @property
    def secrets(self) -> Mapping[str, Secret]:
        """Where each of its credentials is, by its key."""
        values = {name: getattr(self, name) for name in self.__struct_fields__}
        return {name: value for name, value in values.items() if isinstance(value, Secret)}

    @property
    def files(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """The files that it reads, each by its key."""
        for name, secret in self.secrets.items():
            if secret.file is not None:
                yield (name, "file"), secret.file
        if self.ca is not None:
            yield ("ca",), self.ca

    def problems(self) -> Iterator[Problem]:
        """Those of its credentials."""
        yield from self.credential_problems()

    def credential_problems(self) -> Iterator[Problem]:
        """Credentials that are nowhere, or in two places."""
        for name, secret in self.secrets.items():
            if (secret.env is None) == (secret.file is None):
                yield (name,), ENV_OR_FILE


class HttpSettings(EndpointSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Those of an exporter that sends over HTTP."""


class TemplateSettings(HttpSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Those whose `items` say what of an item goes where."""

    BODY: ClassVar[BodySchema]
    """The body of one item, as the vendor documents it."""

    @property
    @abstractmethod
    def items(self) -> Mapping[str, Template]:
        """The body of an item, by message type."""

    def problems(self) -> Iterator[Problem]:
        """Those of its credentials and of its templates."""
        yield from super().problems()
        for name, template in self.items.items():
            yield from ((("items", name, *at), text) for at, text in vendor_problems(template, self.BODY))
