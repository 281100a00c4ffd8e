"""What the policy lets pass by its form: identifiers, and values that some detector doesn't look into."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from gateway.model import Detector, FieldPrivacy
from gateway.policy.compile import Compiler
from gateway.policy.document import Classification, Policy
from gateway.policy.flow_targets import metadata_sections
from gateway.policy.review.findings import key_path
from gateway.yamlfile import Keys


class ListedForm(msgspec.Struct, frozen=True):
    """A pattern that passes for its form: at which keys, what passes, and what isn't looked for in it.

    `shape` is the name that the policy gives the pattern, if it does.
    """

    keys: Keys
    what: str
    pattern: str
    without: tuple[Detector, ...] = ()
    shape: str = ""

    @property
    def key(self) -> str:
        """Where the policy says so."""
        return key_path(self.keys)


def listed_forms(compiler: Compiler) -> Iterator[ListedForm]:
    """Yield what a user's identifier looks like, then things' identifiers, then each exemption."""
    policy = compiler.policy
    names = {pattern: name for name, pattern in policy.patterns.items()}
    yield ListedForm(("user_id",), "a user's identifier, anywhere", policy.user_id.pattern, policy.user_id.without)
    for index, pattern in enumerate(policy.identifiers):
        yield ListedForm(("identifiers", index), "a thing's identifier, also outside the EU", pattern)
    for keys, held in _fields(policy):
        if held.without:
            yield ListedForm(keys, "a value, inside the EU", held.pattern, held.without, names.get(held.pattern, ""))


def _fields(policy: Policy) -> Iterator[tuple[Keys, FieldPrivacy]]:
    """Yield all that the policy classifies, with its keys."""
    yield from ((("classifications", name), held.privacy) for name, held in policy.classifications.items())
    for event, planned in policy.tracking_plan.items():
        for name, one in planned.properties.items():
            yield ("tracking_plan", event, "properties", name), one.privacy
    yield from ((("otlp", "attributes", key), policy.otlp.privacy(key)) for key in policy.otlp.attributes)
    for keys, metadata in metadata_sections(policy):
        sections: Mapping[str, Mapping[str, object]] = {
            "keys": metadata.keys,
            "baggage": metadata.baggage,
            "tracestate": metadata.tracestate,
        }
        for section, listed in sections.items():
            yield from (
                ((*keys, section, name), held.privacy)
                for name, held in listed.items()
                if isinstance(held, Classification)
            )
