"""What every field counts as: annotations, changed by the policy's overlay, held back until approved."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final

import msgspec
from google.protobuf.descriptor import FieldDescriptor

from gateway.contracts.contract import Contract
from gateway.errors import BadContract
from gateway.model import INDIRECT, NEVER, Category, FieldPrivacy
from gateway.patterns import compile_pattern

MAX_REPORTED_PROBLEMS: Final = 50
"""Annotations that can't hold, of which one error tells; the others are counted."""

UNFIT_WORKSPACE: Final = (
    "workspace: only a single string that is OPERATIONAL names a workspace, and only a single message leads to one: "
    "what a workspace allows would be asked of another"
)


class InvalidOverlay(Exception):
    """An overlay that can't hold: the field's full name and what is wrong."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field
        self.text = text


class Overlay(msgspec.Struct, frozen=True):
    """What the policy says of a field instead of its annotation; only with `overrides` may it be looser."""

    privacy: FieldPrivacy
    overrides: bool = False


def claims(contract: Contract, overlays: Mapping[str, Overlay]) -> Mapping[str, FieldPrivacy]:
    """What every classified field is said to be, by full name.

    Raises InvalidOverlay for an overlay on a field that isn't there or that loosens unsaid; BadContract, with
    a line for each, for annotations that can't hold.
    """
    known = field_names(contract)
    for name, overlay in overlays.items():
        _check_overlay(name, overlay, contract.annotations.get(name), known)
        if name in contract.unreadable_fields and not overlay.overrides:
            raise InvalidOverlay(
                name,
                "its annotation says what this gateway is too old to know; say `overrides: true` if this counts "
                "instead",
            )
    claimed = {**contract.annotations, **{name: overlay.privacy for name, overlay in overlays.items()}}
    unfit = _unfit_workspaces(contract, claimed)
    for name in sorted(overlays.keys() & unfit):
        raise InvalidOverlay(name, UNFIT_WORKSPACE)
    _check_annotations(contract, unfit)
    return claimed


def approved(claimed: Mapping[str, FieldPrivacy], recorded: Mapping[str, FieldPrivacy]) -> Mapping[str, FieldPrivacy]:
    """Return the classifications that count: those that were recorded, or are tighter."""
    return {
        name: privacy for name, privacy in claimed.items() if name in recorded and not loosens(recorded[name], privacy)
    }


def field_names(contract: Contract) -> frozenset[str]:
    """The full names of all fields and extensions of a contract."""
    return frozenset(field.full_name for name in contract.messages for field in contract.fields_of(name))


def loosens(old: FieldPrivacy, new: FieldPrivacy) -> bool:
    """Whether any value might leave under `new` that wouldn't under `old`. In doubt, it does.

    A category that stays in the EU is tighter than one that may leave it. A bound where there was none counts as
    looser: outside the EU only bounded values leave.
    """
    if _unclassified(new) or new == old:
        return False
    if new.map_key is old.map_key and _rank(new.category) > _rank(old.category):
        return False
    return not (
        new.category is old.category
        and new.map_key is old.map_key
        and new.subject == old.subject
        and new.workspace == old.workspace
        and new.pattern == old.pattern
        and set(new.without) <= set(old.without)
        and _no_longer(old, new)
        and _no_more_values(old, new)
        and _no_wider(old, new)
    )


def _unclassified(privacy: FieldPrivacy) -> bool:
    return privacy.category is Category.UNSPECIFIED and privacy.map_key is Category.UNSPECIFIED


def _rank(category: Category) -> int:
    """How far values go: out of the EU, within it, nowhere."""
    if category in INDIRECT:
        return 0
    return 2 if category in NEVER or category is Category.UNSPECIFIED else 1


def _no_longer(old: FieldPrivacy, new: FieldPrivacy) -> bool:
    return new.max_length == old.max_length or (old.max_length or new.max_length) >= new.max_length > 0


def _no_more_values(old: FieldPrivacy, new: FieldPrivacy) -> bool:
    return new.one_of == old.one_of or (bool(new.one_of) and set(new.one_of) < set(old.one_of))


def _no_wider(old: FieldPrivacy, new: FieldPrivacy) -> bool:
    return (new.min, new.max) == (old.min, old.max) or (
        old.bounded and new.bounded and old.min <= new.min and new.max <= old.max
    )


def _check_overlay(name: str, overlay: Overlay, annotation: FieldPrivacy | None, known: frozenset[str]) -> None:
    if name not in known:
        raise InvalidOverlay(name, "no contract has this field")
    if annotation is not None and not overlay.overrides and loosens(annotation, overlay.privacy):
        raise InvalidOverlay(name, "looser than its annotation; say `overrides: true` if that is meant")


def _unfit_workspaces(contract: Contract, claimed: Mapping[str, FieldPrivacy]) -> frozenset[str]:
    """The fields that are said to name a workspace, or to lead to one that does, and can't."""
    said = {name for name, privacy in claimed.items() if privacy.workspace} - contract.unreadable_fields
    holders = contract.messages if said else ()
    fields = (field for name in holders for field in contract.fields_of(name))
    return frozenset(
        field.full_name
        for field in fields
        if field.full_name in said and not _may_lead_to_workspace(field, claimed[field.full_name])
    )


def _may_lead_to_workspace(field: FieldDescriptor, privacy: FieldPrivacy) -> bool:
    if field.is_repeated:
        return False
    if field.message_type is not None:
        return not field.message_type.full_name.startswith("google.protobuf.")
    return field.type == FieldDescriptor.TYPE_STRING and privacy.category is Category.OPERATIONAL


def _check_annotations(contract: Contract, unfit_workspaces: Collection[str]) -> None:
    """Raise BadContract with a line for each annotation that can't hold, so that all can be mended at once."""
    faults = [(name, text) for name, held in contract.annotations.items() for text in _problems(held)]
    faults += [(name, UNFIT_WORKSPACE) for name in sorted(unfit_workspaces)]
    lines = [f"{contract.file_of(name)}: {name}: {text}" for name, text in faults[:MAX_REPORTED_PROBLEMS]]
    if len(faults) > MAX_REPORTED_PROBLEMS:
        lines.append(f"and {len(faults) - MAX_REPORTED_PROBLEMS} more")
    if lines:
        raise BadContract("\n".join(lines))


def _problems(privacy: FieldPrivacy) -> Iterator[str]:
    if privacy.pattern:
        try:
            compile_pattern(privacy.pattern)
        except ValueError as error:
            yield f"pattern: {error}"
    if privacy.min > privacy.max:
        yield "min: must be max or less; max left out is 0"
