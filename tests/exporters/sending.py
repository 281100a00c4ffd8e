"""Entries of events and support messages for tests of exporters over HTTP, and what these exporters are made with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from google.protobuf.message import Message
from kannelle.privacy.v1.analytics_pb2 import AnalyticsEvent
from kannelle.privacy.v1.support_pb2 import SUPPORT_TOPIC_BILLING, SupportMessage

from gateway.batch_verdict import ReleaseBatch
from gateway.entry_batch import EntryBatch
from gateway.errors import Rejected, Retryable
from gateway.exporters.base import Delivered, Outcome
from gateway.exporters.http_client import HttpClient
from gateway.exporters.mixpanel.exporter import MixpanelExporter
from gateway.exporters.mixpanel.settings import MixpanelSettings
from gateway.exporters.segment.exporter import SegmentExporter
from gateway.exporters.segment.settings import SegmentSettings
from gateway.exporters.settings import Secret
from gateway.exporters.zendesk.exporter import ZendeskExporter
from gateway.exporters.zendesk.settings import ZendeskSettings
from gateway.standins import MixpanelStandIn, SegmentStandIn, ZendeskStandIn

EVENT: Final = AnalyticsEvent.DESCRIPTOR.full_name
MESSAGE: Final = SupportMessage.DESCRIPTOR.full_name
MESSAGE_CLASSES: Final[dict[str, type[Message]]] = {EVENT: AnalyticsEvent, MESSAGE: SupportMessage}
EXPORTER_KEY: Final = "destinations.vendor.exporter"

SECRETS: Final = {
    "WRITE_KEY": SegmentStandIn.write_key,
    "USERNAME": MixpanelStandIn.username,
    "PASSWORD": MixpanelStandIn.password,
    "EMAIL": ZendeskStandIn.email,
    "TOKEN": ZendeskStandIn.token,
    "OAUTH": ZendeskStandIn.oauth,
    "SIGNING": "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
}
"""The environment that the exporters here find their credentials in."""

TRACK_TEMPLATE: Final = {
    "event": "{name}",
    "userId": "{user.user_id}",
    "timestamp": "{time}",
    "properties": "{properties}",
}
IMPORT_TEMPLATE: Final = {
    "event": "{name}",
    "distinct_id": "{user.user_id}",
    "time": "{time}",
    "properties": "{properties}",
}
TICKET_TEMPLATE: Final = {
    "subject": "{topic}, {reference}",
    "comment": {"body": "See {reference}.", "public": False},
    "requester": {"name": "{user.user_id}", "email": "{user.work_email}"},
    "external_id": "{reference}",
    "tags": ["kannelle", "{topic}"],
}

NOW_SECONDS: Final = 1_790_000_000
"""When items were received, in seconds since 1970."""

Wall = Callable[[], float]


def wall() -> float:
    return NOW_SECONDS


def entry(message: Message, number: int) -> EntryBatch:
    """An entry, alone."""
    releases = ReleaseBatch("vendor", message.DESCRIPTOR.full_name, "a-plan", [message.SerializeToString()])
    return EntryBatch(releases, number.to_bytes(16, "big"), [NOW_SECONDS * 10**9])


def event(number: int = 0, name: str = "video.exported", user_id: str = "usr_1", **more: Any) -> EntryBatch:
    held = AnalyticsEvent(name=name, **more)
    held.user.user_id = user_id
    held.properties["scenes"].int_value = number
    return entry(held, number)


def events(count: int) -> list[EntryBatch]:
    return [event(number) for number in range(count)]


def message(number: int = 0, work_email: str = "ann@acme.example", user_id: str = "usr_1") -> EntryBatch:
    held = SupportMessage(topic=SUPPORT_TOPIC_BILLING, reference=f"sup_{number:08}")
    held.user.user_id, held.user.work_email = user_id, work_email
    return entry(held, number)


def keys(entries: list[EntryBatch]) -> list[str]:
    return [one.keys.hex() for one in entries]


def segment(http: HttpClient, url: str, items: Any = None, timeout: float = 10.0) -> SegmentExporter:
    given = SegmentSettings(
        endpoint=url,
        write_key=Secret(env="WRITE_KEY"),
        items={EVENT: TRACK_TEMPLATE} if items is None else items,
        timeout=timeout,
    )
    return SegmentExporter(http, given, MESSAGE_CLASSES.__getitem__, EXPORTER_KEY, wall)


def mixpanel(http: HttpClient, url: str, items: Any = None) -> MixpanelExporter:
    username, password = Secret(env="USERNAME"), Secret(env="PASSWORD")
    project, said = MixpanelStandIn.project_id, {EVENT: IMPORT_TEMPLATE} if items is None else items
    given = MixpanelSettings(endpoint=url, project_id=project, username=username, password=password, items=said)
    return MixpanelExporter(http, given, MESSAGE_CLASSES.__getitem__, EXPORTER_KEY, wall)


def zendesk(
    http: HttpClient, url: str, *, oauth: bool = False, items: Any = None, timeout: float = 10.0
) -> ZendeskExporter:
    who: dict[str, Any] = (
        {"oauth": Secret(env="OAUTH")} if oauth else {"email": Secret(env="EMAIL"), "token": Secret(env="TOKEN")}
    )
    given = ZendeskSettings(
        endpoint=url, items={MESSAGE: TICKET_TEMPLATE} if items is None else items, timeout=timeout, **who
    )
    return ZendeskExporter(http, given, MESSAGE_CLASSES.__getitem__, EXPORTER_KEY, wall)


def outcome_letters(outcomes: Any) -> str:
    """Outcomes in letters: delivered, retry, rejected as x."""
    letters: dict[type[Outcome], str] = {Delivered: "d", Retryable: "r", Rejected: "x"}
    return "".join(letters[type(outcome)] for outcome in outcomes)
