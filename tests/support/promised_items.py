"""One item of each type that the privacy statement speaks of, every field of it set; all people are made up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

TIME: Final = "2023-11-14T22:13:20Z"
"""A moment within the days around `UNKNOWN_FACTS.received_ns`."""

_NAME: Final = "Ágnes Vörösmarty-Dubois"
_EMAIL: Final = "agnes.vorosmarty@lumen-pictures.example"
_PHONE: Final = "+33 1 99 00 01 23"
_WORKSPACE: Final = "ws_lumen01"
_COMPANY: Final = "Lumen Pictures SAS"
_DEVICE: Final = {
    "device_id": "dev_5c1f77a0e9",
    "model": "MacBook Pro 14",
    "operating_system": "macOS 16.1 Sequoia",
    "app_version": "7.3.0",
}
_NETWORK: Final = {
    "ip_address": "203.0.113.42",
    "user_agent": "KannelleStudio/7.3.0 (Macintosh; macOS 16.1)",
    "cookie_id": "ck_b81d20aa94f3",
}
_USAGE: Final = {
    "session_id": "ses_7d02c4419e",
    "signed_in_at": TIME,
    "videos_watched": 41,
    "recent_searches": ["holiday photos of Bastien"],
}
_CONTACT: Final = {"user_id": "usr_8f3kq2", "work_email": _EMAIL, "full_name": _NAME, "phone_number": _PHONE}
_SUBSCRIPTION: Final = {
    "plan": "SUBSCRIPTION_PLAN_BUSINESS",
    "renews_at": TIME,
    "payment_reference": "ch_3Qk9vB2eZvKYlo2C",
}
_PROJECT: Final = {
    "project_id": "prj_7c2d9e41",
    "workspace_id": _WORKSPACE,
    "owner_id": "usr_8f3kq2",
    "title": "Portrait of Elif Kaya",
    "scenes": [{"script": "We filmed this at my mother's place.", "footage": "AAAAGGZ0eXBpc29t", "length": "184s"}],
    "update_time": TIME,
}
_USER: Final = {
    **_CONTACT,
    "workspace": {
        "workspace_id": _WORKSPACE,
        "company_name": _COMPANY,
        "team": "Documentary desk",
        "role": "WORKSPACE_ROLE_EDITOR",
    },
    "device": _DEVICE,
    "network": _NETWORK,
    "usage": _USAGE,
}

ITEMS: Final[Mapping[str, Mapping[str, object]]] = {
    "kannelle.privacy.v1.ActivityEntry": {
        "user": _USER,
        "action": "video.shared",
        "resource": "vid_7c2d9e41",
        "time": TIME,
        "outcome": "ACTIVITY_OUTCOME_SUCCEEDED",
        "detail": "shared with Noor Haddad after her call",
    },
    "kannelle.privacy.v1.SupportMessage": {
        "user": _USER,
        "topic": "SUPPORT_TOPIC_EXPORT",
        "reference": "sup_4q7d2k9w1x",
        "time": TIME,
        "subject": "The export stops",
        "text": "It stops at the same scene each time.",
        "attachments": [{"file_name": "scene.png", "media_type": "image/png", "content": "iVBORw0KGgo="}],
    },
    "kannelle.account.v1.Account": {**_CONTACT, "devices": [_DEVICE], "usage": _USAGE, "create_time": TIME},
    "kannelle.workspace.v1.Membership": {
        "workspace_id": _WORKSPACE,
        "work_email": _EMAIL,
        "role": "WORKSPACE_ROLE_ADMIN",
    },
    "kannelle.project.v1.Project": _PROJECT,
    "kannelle.project.v1.WebProject": {"project": _PROJECT},
    "kannelle.asset.v1.BusinessAsset": {
        "asset_id": "ast_2b8c4d",
        "workspace_id": _WORKSPACE,
        "kind": "BUSINESS_ASSET_KIND_LOGO",
        "file_name": "logo Lumen.svg",
        "media_type": "image/svg+xml",
        "content": "PHN2Zy8+",
        "uploader_id": "usr_8f3kq2",
        "create_time": TIME,
    },
    "kannelle.support.v1.ErrorReport": {
        "reference": "sup_4q7d2k9w1x",
        "workspace_id": _WORKSPACE,
        "user_id": "usr_8f3kq2",
        "work_email": _EMAIL,
        "device": _DEVICE,
        "usage": _USAGE,
        "error_type": "DecodeError",
        "error_message": "can't read the third scene",
        "stack_trace": "at Player.decode in player.ts",
        "time": TIME,
    },
    "kannelle.billing.v1.Purchase": {
        "purchase_id": "pur_91kz7d",
        "workspace_id": _WORKSPACE,
        "plan": "SUBSCRIPTION_PLAN_TEAM",
        "buyer": _CONTACT,
        "legal_name": _COMPANY,
        "billing_address": {
            "address_lines": ["12 rue des Exemples", "Bâtiment C"],
            "postal_code": "69007",
            "locality": "Lyon",
            "country": "FR",
        },
        "payment": {
            "vat_number": "FR40303265045",
            "order_number": "PO-2023-0417",
            "payment_reference": "ch_3Qk9vB2eZvKYlo2C",
        },
        "create_time": TIME,
    },
    "kannelle.crm.v1.Subscription": _SUBSCRIPTION,
    "kannelle.engagement.v1.Engagement": {
        "engagement_id": "eng_5t6y7u",
        "workspace_id": _WORKSPACE,
        "kind": "ENGAGEMENT_KIND_TRAINING",
        "company_name": _COMPANY,
        "contact": _CONTACT,
        "start_time": TIME,
    },
    "kannelle.communication.v1.Communication": {
        "communication_id": "com_3e4r5t",
        "template": "renewal-reminder",
        "language": "fr-BE",
        "recipient": _CONTACT,
        "send_time": TIME,
    },
    "kannelle.identity.v1.SignIn": {
        "user_id": "usr_8f3kq2",
        "work_email": _EMAIL,
        "device": _DEVICE,
        "network": _NETWORK,
        "method": "SIGN_IN_METHOD_SINGLE_SIGN_ON",
        "outcome": "SIGN_IN_OUTCOME_SUCCEEDED",
        "time": TIME,
    },
    "kannelle.crm.v1.Contact": {
        "user_id": "usr_8f3kq2",
        "work_email": _EMAIL,
        "full_name": _NAME,
        "phone_numbers": [_PHONE],
        "company": {
            "company_id": "co_lumen01",
            "legal_name": _COMPANY,
            "postal_address": "12 rue des Exemples, 69007 Lyon",
            "seats": 40,
        },
        "subscription": _SUBSCRIPTION,
        "created_at": TIME,
        "note": "prefers to be called in the morning",
        "source_ip": "203.0.113.42",
        "last_contacted": {"renewal": TIME},
    },
    "kannelle.video.v1.VideoExported": {
        "video_id": "vid_7c2d9e41",
        "author_id": "usr_8f3kq2",
        "author_email": _EMAIL,
        "title": "Portrait of Elif Kaya",
        "codec": "CODEC_HEVC",
        "length": "184s",
        "exported_at": TIME,
        "viewer_ids": ["usr_q7d2aa"],
        "subtitles": {"en": "We filmed this at my mother's place."},
        "filmed_at": "48.8566, 2.3522",
        "channel": "intranet",
    },
}
"""The items as protobuf's JSON, by type."""
