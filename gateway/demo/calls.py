"""What the demo's service sends through its generated clients, by the name of the call.

All people and companies are made up; the phone numbers are of the ranges that France keeps for fiction.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, Unpack

from gateway.demo.item import Item, ItemOutcome, KnownFacts
from gateway.errors import ItemReason
from gateway.model import Category

ENTRY: Final = "kannelle.privacy.v1.ActivityEntry"
EVENT: Final = "kannelle.privacy.v1.AnalyticsEvent"
MESSAGE: Final = "kannelle.privacy.v1.SupportMessage"
CONTACT: Final = "kannelle.crm.v1.Contact"
EXPORTED: Final = "kannelle.video.v1.VideoExported"

_ATTACHED: Final = b"Interview, scene 2. Noor: we filmed this at my mother's place. Camille: keep it."

_LEA: Final = {"user_id": "usr_t41wz9", "work_email": "Lea.Fontaine+kannelle@Halle-Nord.example"}
# How every destination gets her address: in lower case, without the tag.
_LEA_BECOMES: Final = {"user.work_email": "lea.fontaine@halle-nord.example"}

_MISTAKEN: Final = b64encode(b"elif.kaya@halle-nord.example").decode().rstrip("=")


def calls(now: datetime) -> Mapping[str, tuple[Item, ...]]:
    """The items of each call. `now` is the time in UTC."""
    time, earlier, later = (
        f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in (now, now - timedelta(hours=2), now + timedelta(days=90))
    )
    camille = _camille(earlier)
    return {
        "RecordActivity": (_activity(camille, time),),
        "RecordActivities": (_mistake(time),),
        "TrackEvent": (_export_tracked(camille, time),),
        "TrackEvents": _events(time),
        "StreamEvents": _errors(time),
        "SendMessage": (_question(camille, time),),
        "Emit Contact": (_contact(earlier, later),),
        "Emit VideoExported": (_video(time),),
    }


def _camille(earlier: str) -> Mapping[str, object]:
    """All that a service has at hand of its user."""
    return {
        "user_id": "usr_8f3kq2",
        "work_email": "camille.aubert@lumen-pictures.example",
        "full_name": "Camille Aubert",
        "phone_number": "+33 1 99 00 01 23",
        "workspace": {
            "workspace_id": "ws_lumen01",
            "company_name": "Lumen Pictures",
            "team": "Documentary desk",
            "role": "WORKSPACE_ROLE_EDITOR",
        },
        "device": {
            "device_id": "dev_5c1f77a0e9",
            "model": "MacBook Pro 14",
            "operating_system": "macOS 16.1 Sequoia",
            "app_version": "7.3.0",
        },
        "network": {
            "ip_address": "203.0.113.42",
            "user_agent": "KannelleStudio/7.3.0 (Macintosh; macOS 16.1)",
            "cookie_id": "ck_b81d20aa94f3",
        },
        "usage": {
            "session_id": "ses_7d02c4419e",
            "signed_in_at": earlier,
            "videos_watched": 41,
            "recent_searches": ["holiday photos of Bastien"],
        },
    }


def _some(user: Mapping[str, object], *keys: str) -> Mapping[str, object]:
    return {key: user[key] for key in keys}


def _activity(user: Mapping[str, object], time: str) -> Item:
    fields = {
        "user": _some(user, "user_id", "work_email", "full_name", "network"),
        "action": "video.shared",
        "resource": "vid_7c2d9e41",
        "time": time,
        "outcome": "ACTIVITY_OUTCOME_SUCCEEDED",
        "detail": "shared with Noor Haddad after her call",
    }
    return Item(title="RecordActivity: video.shared", type=ENTRY, fields=fields, destinations=("activity-log",))


def _mistake(time: str) -> Item:
    """A developer's slip: base64 of an address where an identifier belongs."""
    return Item(
        title="RecordActivities: video.opened, with a slip: base64 of an address as resource",
        type=ENTRY,
        fields={"user": _LEA, "action": "video.opened", "resource": _MISTAKEN, "time": time},
        destinations=("activity-log",),
        categories={"resource": Category.WORK_EMAIL},
        stripped_values=frozenset({_MISTAKEN}),
        replacements=_LEA_BECOMES,
        embedded={"elif.kaya@halle-nord.example": Category.WORK_EMAIL},
    )


def _event(
    call: str,
    name: str,
    user: Mapping[str, object],
    time: str,
    properties: Mapping[str, object],
    **known: Unpack[KnownFacts],
) -> Item:
    fields = {"user": user, "name": name, "time": time, "properties": properties}
    return Item(title=f"{call}: {name}", type=EVENT, fields=fields, destinations=("analytics",), **known)


def _export_tracked(user: Mapping[str, object], time: str) -> Item:
    properties = {
        "codec": {"string_value": "hevc"},
        "resolution": {"string_value": "2160p"},
        "duration_s": {"int_value": 184},
        "subtitled": {"bool_value": True},
        "title": {"string_value": "Portrait of Elif Kaya"},
    }
    known = _some(user, "user_id", "work_email", "workspace", "device", "usage")
    return _event("TrackEvent", "video.exported", known, time, properties)


def _events(time: str) -> tuple[Item, ...]:
    max_exemple = {
        "user_id": "usr_p00m4x",
        "work_email": "max.exemple.does.not.exist@gmail.com",
        "full_name": "Max Exemple",
    }
    shared = {"channel": {"string_value": "intranet"}, "viewers": {"int_value": 12}}
    return (
        _event("TrackEvents [0]", "video.shared", _LEA, time, shared, replacements=_LEA_BECOMES),
        _event(
            "TrackEvents [1]",
            "video.liked",
            {"user_id": "usr_q7d2aa", "work_email": "elif.kaya@halle-nord.example"},
            time,
            {"comment": {"string_value": "so much like my sister's wedding"}},
            outcome=ItemOutcome.REJECTED,
            reason=ItemReason.EVENT_NOT_PLANNED,
        ),
        _event(
            "TrackEvents [2]",
            "video.shared",
            max_exemple,
            time,
            shared,
            categories={"user.work_email": Category.PERSONAL_EMAIL},
            outcome=ItemOutcome.WITHHELD,
            reason=ItemReason.PERSONAL_ACCOUNT,
        ),
    )


def _errors(time: str) -> tuple[Item, ...]:
    network = {"code": {"string_value": "network"}, "position_s": {"int_value": 17}, "recovered": {"bool_value": True}}
    # A phone number where a position belongs, and a text where a code does.
    odd = {"code": {"string_value": "buffer_of_usr_t41wz9"}, "position_s": {"int_value": 33199000123}}
    return (
        _event("StreamEvents [0]", "player.error", {"user_id": "usr_t41wz9"}, time, network),
        _event(
            "StreamEvents [1]",
            "player.error",
            {"user_id": "usr_t41wz9"},
            time,
            odd,
            categories={"properties[position_s]": Category.PHONE, "properties[code]": Category.FREE_TEXT},
        ),
    )


def _question(user: Mapping[str, object], time: str) -> Item:
    fields = {
        "user": _some(user, "user_id", "work_email", "full_name", "phone_number", "workspace", "device", "network"),
        "topic": "SUPPORT_TOPIC_EXPORT",
        "reference": "sup_4k2m9x7q1c",
        "time": time,
        "subject": "Our export stops at 80 %",
        "text": "Noor Haddad (noor.haddad@lumen-pictures.example) sees it too. Please ring her: +33 3 53 01 04 56.",
        "attachments": [
            {"file_name": "interview-noor.txt", "media_type": "text/plain", "content": b64encode(_ATTACHED).decode()},
        ],
    }
    return Item(
        title="SendMessage",
        type=MESSAGE,
        fields=fields,
        destinations=("support", "support-archive"),
        replacements={"text": "Noor Haddad ([EMAIL]) sees it too. Please ring her: [PHONE]."},
        embedded={
            "Noor Haddad": Category.NAME,
            "noor.haddad@lumen-pictures.example": Category.WORK_EMAIL,
            "+33 3 53 01 04 56": Category.PHONE,
        },
    )


def _contact(earlier: str, later: str) -> Item:
    fields = {
        "user_id": "usr_t41wz9",
        "work_email": "lea.fontaine@halle-nord.example",
        "full_name": "Léa Fontaine",
        "phone_numbers": ["+33 1 99 00 02 34", "+33 2 61 91 12 34"],
        "company": {
            "company_id": "co_hallenord",
            "legal_name": "Halle Nord S.A.R.L.",
            "postal_address": "3 rue des Tanneurs, 59999 Exempleville",
            "seats": 120,
        },
        "subscription": {"plan": "SUBSCRIPTION_PLAN_BUSINESS", "renews_at": later, "payment_reference": "pay_93ce01d7"},
        "created_at": earlier,
        "note": "Just back from parental leave; prefers mornings.",
        "source_ip": "203.0.113.77",
        "last_contacted": {"renewal": earlier},
    }
    return Item(title="Emit: kannelle.crm.v1.Contact", type=CONTACT, fields=fields, destinations=("crm",))


def _video(time: str) -> Item:
    fields = {
        "video_id": "vid_7c2d9e41",
        "author_id": "usr_8f3kq2",
        "author_email": "camille.aubert@lumen-pictures.example",
        "title": "Portrait of Elif Kaya",
        "codec": "CODEC_HEVC",
        "length": "184s",
        "exported_at": time,
        "viewer_ids": ["usr_t41wz9", "elif.kaya@halle-nord.example", "usr_q7d2aa"],
        "subtitles": {"en": "My name is Elif Kaya, and this is our street."},
        "filmed_at": "50.6292, 3.0573",
        "share_link": "https://kannelle.example/s/9f4tQx",
    }
    return Item(
        title="Emit: kannelle.video.v1.VideoExported",
        type=EXPORTED,
        fields=fields,
        destinations=("activity-log",),
        stripped_values=frozenset({"elif.kaya@halle-nord.example"}),
        embedded={"elif.kaya@halle-nord.example": Category.WORK_EMAIL},
    )
