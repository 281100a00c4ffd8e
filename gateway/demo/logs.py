"""What the demo's service logs through the OpenTelemetry SDK. All people and companies are made up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypedDict, Unpack

from opentelemetry._logs import SeverityNumber
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from gateway.demo.item import Item, KnownFacts
from gateway.model import Category

RESOURCE: Final = {
    "service.name": "kannelle-video",
    "service.version": "7.3.0",
    "telemetry.sdk.language": "python",
    "telemetry.sdk.name": "opentelemetry",
    "deployment.environment.name": "production",
    "host.ip": "198.51.100.23",
}

SCOPE: Final = ("kannelle.video", "7.3.0")


_SPAN: Final = SpanContext(
    0x5B8EFFF798038103D269B633813FC60C, 0xEEE19B7EC3C1B174, is_remote=False, trace_flags=TraceFlags(1)
)


class LogArguments(TypedDict, total=False):
    """Arguments of the SDK's `Logger.emit`."""

    context: Context
    body: str
    attributes: Mapping[str, str | int]
    event_name: str
    exception: Exception


class LogItem(Item, frozen=True, kw_only=True):
    """A log record, and the arguments that make it."""

    severity: SeverityNumber
    arguments: LogArguments


def _record(title: str, severity: SeverityNumber, arguments: LogArguments, **known: Unpack[KnownFacts]) -> LogItem:
    return LogItem(title=title, severity=severity, arguments=arguments, destinations=("application-log",), **known)


BATCH: Final = Item(
    title="resource and scope, once for all records", fields=RESOURCE, destinations=("application-log",)
)
"""What stands around the records of a batch: no item, but values all the same."""

RECORDS: Final = (
    _record(
        'logger.info("request completed")',
        SeverityNumber.INFO,
        {
            "context": set_span_in_context(NonRecordingSpan(_SPAN)),
            "body": "request completed",
            "attributes": {
                "http.request.method": "POST",
                "http.route": "/videos/{video_id}/exports",
                "http.response.status_code": 201,
                "user.id": "usr_8f3kq2",
                "user.email": "camille.aubert@lumen-pictures.example",
                "client.address": "203.0.113.42",
                "user_agent.original": "KannelleStudio/7.3.0 (Macintosh; macOS 16.1)",
                "session.id": "ses_7d02c4419e",
                "url.full": "https://app.kannelle.example/exports?invite=elif.kaya%40halle-nord.example",
            },
        },
        # The text itself holds nothing: the policy lists it as a template.
        categories={"body": Category.OPERATIONAL},
        embedded={"elif.kaya@halle-nord.example": Category.WORK_EMAIL},
    ),
    _record(
        'logger.warning(f"export of {name} <{address}> is slow")',
        SeverityNumber.WARN,
        {
            "body": "export of Noor Haddad <noor.haddad@lumen-pictures.example> is slow",
            "attributes": {
                "kannelle.video.id": "vid_7c2d9e41",
                "kannelle.video.codec": "hevc",
                "service.contact": "03.53.01.04.56",
            },
        },
        embedded={"Noor Haddad": Category.NAME, "noor.haddad@lumen-pictures.example": Category.WORK_EMAIL},
    ),
    _record(
        'logger.exception("video export failed")',
        SeverityNumber.ERROR,
        {
            "body": "video export failed",
            "attributes": {"kannelle.video.id": "vid_7c2d9e41", "user.id": "usr_8f3kq2"},
            "exception": LookupError("no preview for Bastien Leroy, call +33 1 99 00 07 89"),
        },
        categories={"body": Category.OPERATIONAL},
        embedded={"Bastien Leroy": Category.NAME, "+33 1 99 00 07 89": Category.PHONE},
    ),
    _record(
        'logger.emit(event_name="workspace.member_invited")',
        SeverityNumber.INFO,
        {
            "body": "workspace member invited",
            "event_name": "workspace.member_invited",
            "attributes": {
                "kannelle.workspace.id": "ws_lumen01",
                "enduser.id": "Max Exemple",
                "user.email": "max.exemple.does.not.exist@gmail.com",
            },
        },
        categories={"body": Category.OPERATIONAL, "attributes[user.email]": Category.PERSONAL_EMAIL},
    ),
)
