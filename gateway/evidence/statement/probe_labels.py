"""What the fields of messages, the attributes of OTLP and the properties of events hold, by contract and policy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final

from google.protobuf.descriptor import FieldDescriptor

from gateway.model import Category, FieldPrivacy
from gateway.policy.compile import Compiler
from gateway.policy.error_details import unclaimed_classifications
from gateway.policy.otlp import slots
from gateway.policy.rules import kind_of

PERSONAL_KEYS: Final[Mapping[str, Category]] = {
    "user.full_name": Category.NAME,
    "user.name": Category.NAME,
    "enduser.id": Category.WORK_EMAIL,
    "client.address": Category.NETWORK,
    "session.id": Category.COOKIE,
    "exception.message": Category.FREE_TEXT,
    "http.request.header.cookie": Category.CREDENTIAL,
    "com.kannelle.customer": Category.NAME,
}
"""Attributes that may hold something personal, whether or not a policy lists them."""

NEVER_KEYS: Final[Mapping[str, Category]] = {
    "user.age": Category.AGE,
    "user.gender": Category.GENDER,
    "user.iban": Category.BANKING,
    "user.latitude": Category.LOCATION,
    "user.password": Category.CREDENTIAL,
}
"""Attributes that say what is never collected."""

OTLP_PREFIX: Final = "opentelemetry.proto."

_WRITTEN: Final = FieldPrivacy(Category.FREE_TEXT)
_MEASURED: Final = FieldPrivacy(Category.OPERATIONAL)
_TEXTS: Final = frozenset({"string", "message"})


class Labels:
    """What everything holds, under one policy and its contracts."""

    def __init__(self, compiler: Compiler) -> None:
        self.policy = compiler.policy
        self.of_attribute = cache(self._of_attribute)
        """What an attribute holds: by its own key, else by its name here, else by the longest prefix."""
        self._by_field = {
            **unclaimed_classifications(compiler.claims),
            **compiler.classifications,
            **slots.CLASSIFICATIONS,
        }

    def of_field(self, field: FieldDescriptor) -> FieldPrivacy:
        """What a field holds. A text of OTLP that has no label holds what programs write there."""
        told = self._by_field.get(field.full_name)
        if told is not None:
            return told
        if not field.full_name.startswith(OTLP_PREFIX):
            return FieldPrivacy()
        return _WRITTEN if kind_of(field) in _TEXTS else _MEASURED

    def _of_attribute(self, key: str) -> FieldPrivacy:
        listed = self.policy.otlp.attributes
        if key in listed:
            return self.policy.otlp.privacy(key)
        if key in PERSONAL_KEYS or key in NEVER_KEYS:
            return FieldPrivacy({**PERSONAL_KEYS, **NEVER_KEYS}[key])
        prefixes = [one for one in listed if one.endswith(".*") and key.startswith(one.removesuffix("*"))]
        return self.policy.otlp.privacy(max(prefixes, key=len)) if prefixes else FieldPrivacy()

    def of_property(self, event: str, key: str) -> FieldPrivacy:
        """What a property of an event holds; one that isn't planned holds a name."""
        planned = self.policy.tracking_plan.get(event)
        if planned is None or key not in planned.properties:
            return FieldPrivacy(Category.NAME)
        return planned.properties[key].privacy

    def attributes(self) -> Iterator[str]:
        """Yield the keys to try: those that the policy lists, one below each of its prefixes, and personal ones."""
        for key in self.policy.otlp.attributes:
            yield f"{key.removesuffix('*')}probe" if key.endswith(".*") else key
        yield from (key for key in (*PERSONAL_KEYS, *NEVER_KEYS) if key not in self.policy.otlp.attributes)
