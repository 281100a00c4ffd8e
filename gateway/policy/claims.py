"""What the fields of a contract hold, by contract, policy and approvals together."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property

from gateway.contracts.approvals import Approvals
from gateway.contracts.classify import InvalidOverlay, Overlay, approved, claims
from gateway.contracts.contract import Contract
from gateway.contracts.field_types import approvals_of
from gateway.contracts.load import default_types
from gateway.model import Category, FieldPrivacy
from gateway.policy.document import Policy
from gateway.policy.elsewhere import LIST_UNDER_ELSEWHERE
from gateway.policy.fields import is_map
from gateway.policy.rules import UNCATEGORISED_KINDS, kind_of
from gateway.yamlfile import Origin


class Claims:
    """Reads what contract and policy claim of each field, and which of it counts.

    With `approvals`, what is claimed counts once it is recorded; only what is tighter, and a new condition on what a
    message holds, counts at once:

        annotation           policy                  recorded       counts
        name = NAME          -                       NAME           NAME
        name = NAME          OPERATIONAL, overrides  NAME           nothing: looser than what was recorded
        note = OPERATIONAL   FREE_TEXT               OPERATIONAL    FREE_TEXT: tighter
        plan                 OPERATIONAL             -              nothing, until it is recorded
        string codec = …     -                       … of an enum   nothing: another type than what was recorded
    """

    def __init__(self, contract: Contract, policy: Policy, origin: Origin) -> None:
        """`policy` is what of it is about the contract, `origin` tells its lines."""
        self._contract = contract
        self._policy = policy
        self._origin = origin

    @cached_property
    def claimed(self) -> Mapping[str, FieldPrivacy]:
        """What is claimed, by full name. Raises BadContract or BadPolicy if contract and policy don't fit together."""
        overlays = {
            name: Overlay(given.privacy, given.overrides) for name, given in self._policy.classifications.items()
        }
        try:
            claimed = claims(self._contract, overlays)
            self._check_conditions(overlays)
        except InvalidOverlay as error:
            raise self._origin.error_at(("classifications", error.field), self._with_hint(error)) from error
        return claimed

    def approved(self, recorded: Approvals, types_as_annotated: Collection[str] = ()) -> Mapping[str, FieldPrivacy]:
        """What counts. A condition that was recorded holds until its end is approved; one that is new holds at once.

        Of `types_as_annotated` all that is claimed counts.
        """
        as_annotated = {name: held for name, held in self.claimed.items() if type_of(name) in types_as_annotated}
        current = approvals_of(self._contract, self.claimed)
        ever = {name: one.privacy for name, one in recorded.approved.items()} | as_annotated
        covered = {
            name: ever[name]
            for name in ever.keys() & self.claimed.keys()
            if name in as_annotated or recorded.covers_type(name, current)
        }
        conditions = {
            name: privacy for name, privacy in {**self.claimed, **ever}.items() if name in self._condition_fields
        }
        return {**conditions, **approved(self.claimed, covered)}

    @cached_property
    def types_as_annotated(self) -> frozenset[str]:
        """The types that annotate something and aren't Kannelle's: the approvals in the gateway say nothing of them."""
        return frozenset(map(type_of, self._contract.annotations)) - default_types()

    @cached_property
    def unreadable_fields(self) -> frozenset[str]:
        """The fields whose annotations this gateway can't read in full, and which the policy doesn't classify."""
        return self._contract.unreadable_fields - self._policy.classifications.keys()

    def _with_hint(self, error: InvalidOverlay) -> str:
        """Of a field that isn't there because its type isn't, what else that may mean."""
        here = any(error.field.startswith(f"{name}.") for name in self._contract.messages)
        return error.text if here else f"{error.text}; {LIST_UNDER_ELSEWHERE}"

    @cached_property
    def _condition_fields(self) -> frozenset[str]:
        """The fields whose category is a further condition on what they hold.

        Messages, `Any` and masks, by full name.
        """
        messages = map(self._contract.message, self._contract.messages)
        fields = (field for message in messages for field in self._contract.fields(message) if not is_map(field))
        return frozenset(field.full_name for field in fields if kind_of(field) in UNCATEGORISED_KINDS)

    def _check_conditions(self, overlays: Mapping[str, Overlay]) -> None:
        """Without its condition, a message leaves more freely. Raises InvalidOverlay."""
        for name, overlay in overlays.items():
            annotated = self._contract.annotations.get(name, FieldPrivacy()).category
            ends = overlay.privacy.category is Category.UNSPECIFIED is not annotated
            if ends and not overlay.overrides and name in self._condition_fields:
                raise InvalidOverlay(name, "looser than its annotation; say `overrides: true` if that is meant")


def type_of(field: str) -> str:
    """The full name of the type that declares a field, by the field's own; of an extension, where it stands."""
    return field.rpartition(".")[0]
