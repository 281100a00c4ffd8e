"""What each recipient of the default policy gets of an item that holds all that its type can: listed fields alone."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Final

import msgspec
import pytest
from google.protobuf import json_format
from google.protobuf.message import Message

from gateway.contracts.load import default_path as default_contract
from gateway.contracts.load import load as load_contract
from gateway.demo.leaves import SINGLE_VALUE_TYPES, leaves
from gateway.engine.reference import ReferenceEngine
from gateway.errors import ItemReason
from gateway.model import Switch, Withheld
from gateway.policy.compile import Compiler
from gateway.policy.flow_targets import flow_targets
from gateway.policy.item_types import EVENT_TYPE, GATEWAY_ITEM_TYPES
from gateway.policy.load import default_path, load
from tests.support.contracts import UNKNOWN_FACTS, release_of
from tests.support.engines import decide_one
from tests.support.promised_items import ITEMS

_DEVICE: Final = "device_id model operating_system app_version"
_USAGE: Final = "session_id signed_in_at videos_watched recent_searches[*]"
_CONTACT: Final = "user_id work_email full_name phone_number"
_PROJECT: Final = (
    "project_id workspace_id owner_id title scenes[*].script scenes[*].footage scenes[*].length update_time"
)


SWITCHED_ON: Final = msgspec.structs.replace(UNKNOWN_FACTS, backup=Switch.ON)
"""What a directory would say of a company that has its projects backed up."""


def _below(message: str, fields: str) -> str:
    return " ".join(f"{message}.{field}" for field in fields.split())


KEPT: Final = {
    ("kannelle.privacy.v1.ActivityEntry", "activity-log"): (
        "user.user_id user.work_email user.workspace.workspace_id user.device.app_version action resource time outcome"
    ),
    ("kannelle.privacy.v1.SupportMessage", "support"): (
        "user.user_id user.work_email user.workspace.workspace_id user.device.app_version topic reference time "
        "attachments[*].media_type"
    ),
    ("kannelle.privacy.v1.SupportMessage", "support-archive"): " ".join(
        (
            _below("user", _CONTACT),
            _below("user.workspace", "workspace_id company_name team role"),
            _below("user.device", _DEVICE),
            "user.network.user_agent",
            _below("user.usage", _USAGE),
            "topic reference time subject text",
            _below("attachments[*]", "file_name media_type content"),
        )
    ),
    ("kannelle.account.v1.Account", "accounts"): " ".join(
        (_CONTACT, _below("devices[*]", _DEVICE), _below("usage", _USAGE), "create_time")
    ),
    ("kannelle.workspace.v1.Membership", "workspace-directory"): "workspace_id work_email",
    ("kannelle.project.v1.Project", "project-backup"): _PROJECT,
    ("kannelle.project.v1.WebProject", "web-projects"): _below("project", _PROJECT),
    ("kannelle.asset.v1.BusinessAsset", "business-assets"): (
        "asset_id workspace_id kind file_name media_type content uploader_id create_time"
    ),
    ("kannelle.support.v1.ErrorReport", "support-archive"): " ".join(
        (
            "reference workspace_id user_id work_email",
            _below("device", _DEVICE),
            _below("usage", _USAGE),
            "error_type error_message stack_trace time",
        )
    ),
    ("kannelle.billing.v1.Purchase", "billing"): " ".join(
        (
            "purchase_id workspace_id plan",
            _below("buyer", _CONTACT),
            "legal_name",
            _below("billing_address", "address_lines[*] address_lines[*] postal_code locality country"),
            _below("payment", "vat_number order_number payment_reference"),
            "create_time",
        )
    ),
    ("kannelle.crm.v1.Subscription", "billing"): "plan renews_at payment_reference",
    ("kannelle.engagement.v1.Engagement", "professional-services"): (
        f"engagement_id workspace_id kind company_name {_below('contact', _CONTACT)} start_time"
    ),
    ("kannelle.communication.v1.Communication", "communications"): (
        f"communication_id template language {_below('recipient', _CONTACT)} send_time"
    ),
    ("kannelle.identity.v1.SignIn", "identity-provider"): (
        f"user_id work_email {_below('device', _DEVICE)} network.ip_address network.user_agent method outcome time"
    ),
    ("kannelle.crm.v1.Contact", "crm"): (
        "user_id work_email full_name phone_numbers[*] company.company_id company.legal_name company.seats "
        "subscription.plan subscription.renews_at created_at last_contacted[renewal]"
    ),
    ("kannelle.video.v1.VideoExported", "activity-log"): (
        "video_id author_id author_email codec length exported_at viewer_ids[*] channel"
    ),
}
"""The fields that arrive, in the order of the message, by type and destination."""

OTHERS: Final = frozenset({EVENT_TYPE, *GATEWAY_ITEM_TYPES})
"""Types whose items have tests of their own: events by the tracking plan, and what the gateway itself makes."""


@cache
def kannelle() -> Compiler:
    return Compiler(load_contract([default_contract()]), load(default_path()))


def read(type: str) -> Any:
    return json_format.ParseDict(dict(ITEMS[type]), kannelle().contract.message_class(type)())


def unset(message: Message, path: str = "") -> Iterator[str]:
    """Yield the fields that an item says nothing of; of a oneof, one member speaks for all."""
    held = {field.name: value for field, value in message.ListFields()}
    for field in message.DESCRIPTOR.fields:
        oneof = field.containing_oneof
        if field.name not in held:
            if oneof is None or message.WhichOneof(oneof.name) is None:
                yield f"{path}{field.name}"
            continue
        for value in held[field.name] if field.is_repeated else [held[field.name]]:
            if isinstance(value, Message) and value.DESCRIPTOR.full_name not in SINGLE_VALUE_TYPES:
                yield from unset(value, f"{path}{field.name}.")


def test_the_table_has_each_flow_of_a_message() -> None:
    targets = {
        (item, destination)
        for item, destination in flow_targets(kannelle())
        if item not in OTHERS and not item.startswith("opentelemetry.")
    }
    assert targets == set(KEPT)


@pytest.mark.parametrize("type", ITEMS)
def test_an_item_holds_all_that_its_type_can(type: str) -> None:
    assert list(unset(read(type))) == []


@pytest.mark.parametrize(("type", "destination"), KEPT)
def test_the_listed_fields_arrive_as_they_were_sent_and_no_other(type: str, destination: str) -> None:
    item = read(type)
    release = release_of(ReferenceEngine(kannelle().plan(type, destination)), item.SerializeToString(), SWITCHED_ON)
    expected = KEPT[type, destination].split()
    sent = [(leaf.path, leaf.value) for leaf in leaves(item) if leaf.path in expected]
    arrived = [(leaf.path, leaf.value) for leaf in leaves(item.FromString(release.payload))]
    assert [path for path, _ in arrived] == expected
    assert arrived == sent


@pytest.mark.parametrize("backup", [Switch.OFF, Switch.UNKNOWN])
def test_a_project_is_backed_up_only_where_its_company_switched_that_on(backup: Switch) -> None:
    engine = ReferenceEngine(kannelle().plan("kannelle.project.v1.Project", "project-backup"))
    facts = msgspec.structs.replace(UNKNOWN_FACTS, backup=backup)
    withheld = Withheld("project-backup", ItemReason.BACKUP_NOT_ON)
    assert decide_one(engine, b"", facts) == withheld
