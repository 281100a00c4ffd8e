"""Kannelle's own contracts: which say what of a person, and which have no field for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest
from google.protobuf.descriptor import FieldDescriptor

from gateway.contracts.load import default_path, load
from gateway.model import NEVER, Category

CONTRACT: Final = load([default_path()])
IMPERSONAL: Final = frozenset({Category.UNSPECIFIED, Category.OPERATIONAL})
CARRIED: Final = (
    "account.v1.AccountService", "asset.v1.BusinessAssetService", "billing.v1.BillingService",
    "communication.v1.CommunicationService", "engagement.v1.EngagementService", "identity.v1.SignInService",
    "project.v1.ProjectService", "support.v1.ErrorReportService", "workspace.v1.WorkspaceService",
)  # fmt: skip


def category(field: FieldDescriptor) -> Category:
    held = CONTRACT.annotations.get(field.full_name)
    return Category.UNSPECIFIED if held is None else held.category


def fields() -> Iterator[FieldDescriptor]:
    for name in CONTRACT.messages:
        if name.startswith("kannelle."):
            yield from CONTRACT.fields(CONTRACT.message(name))


def test_what_is_personal_is_redacted_in_debug_output_and_nothing_else_is() -> None:
    marked = {field.full_name for field in fields() if field.GetOptions().debug_redact}
    assert marked == {field.full_name for field in fields() if category(field) not in IMPERSONAL}


def test_what_is_never_collected_has_one_field_which_no_recipient_gets() -> None:
    never = {field.full_name for field in fields() if category(field) in NEVER}
    assert never == {"kannelle.video.v1.VideoExported.filmed_at"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("workspace_id", Category.OPERATIONAL),
        ("role", Category.ORGANISATION),
        ("user_id", Category.USER_ID),
        ("work_email", Category.WORK_EMAIL),
        ("full_name", Category.NAME),
        ("phone_number", Category.PHONE),
        ("ip_address", Category.NETWORK),
    ],
)
def test_a_name_of_a_field_means_the_same_everywhere(name: str, expected: Category) -> None:
    assert {category(field) for field in fields() if field.name == name} == {expected}


@pytest.mark.parametrize("service", CARRIED)
def test_each_contract_has_a_service_whose_calls_say_what_every_field_holds(service: str) -> None:
    methods = CONTRACT.pool.FindServiceByName(f"kannelle.{service}").methods
    held = [field for method in methods for each in (method.input_type, method.output_type) for field in each.fields]
    scalars = [field for field in held if field.message_type is None]
    assert held
    assert all(category(field) is not Category.UNSPECIFIED for field in scalars)
