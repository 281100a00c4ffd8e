"""The tracking plan as written in the policy; only shapes live here, as in `document.py`."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from gateway.model import Category, Detector, FieldPrivacy
from gateway.policy.vocabulary import Length, PropertyName
from gateway.yamlfile.bounded import Text


class PropertyType(StrEnum):
    """What an event's property may be, in JSON Schema's words."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"


class Property(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an event's property may hold."""

    type: PropertyType | None = None
    """Of what type it is. Left out, or null, it is an integer where there are bounds, else a string."""

    category: Category = Category.OPERATIONAL
    """Of which category of data its value is."""

    pattern: str = ""
    """RE2 that a string must match as a whole. Bounded, without `.*`; empty is the category's own rule."""

    shape: Text = ""
    """Instead of `pattern`: its name in `patterns`."""

    max_length: Length = 0
    """The most characters that a string may have; 0 is no bound of its own."""

    one_of: tuple[Text, ...] = ()
    """The only strings that pass. Empty is any that the other rules let pass."""

    min: int | None = None
    """The least that a number may be. `min` and `max` come together."""

    max: int | None = None
    """The most that a number may be."""

    without: tuple[Detector, ...] = ()
    """Detectors that don't look into a string, inside the EU: `phone`, `ip`, `email`. Needs a `pattern`."""

    @property
    def kind(self) -> PropertyType:
        """`type`; without it an integer where there are bounds, else a string."""
        if self.type is not None:
            return self.type
        return PropertyType.STRING if self.min is None and self.max is None else PropertyType.INTEGER

    @property
    def privacy(self) -> FieldPrivacy:
        """The same, in the form that annotations are read into."""
        low, high = self.min or 0, self.max or 0
        return FieldPrivacy(
            self.category,
            pattern=self.pattern,
            max_length=self.max_length,
            one_of=self.one_of,
            min=low,
            max=high,
            without=self.without,
        )


class Event(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An analytics event that exists; a property that isn't listed is not sent."""

    properties: Mapping[PropertyName, Property] = {}
    """What each property may hold, by its name."""
