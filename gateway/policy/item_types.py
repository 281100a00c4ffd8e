"""The types of items that the gateway brings, which of its services takes which, and which of them make a log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.otlp.signals import BY_FLOW

EVENT_TYPE: Final = "kannelle.privacy.v1.AnalyticsEvent"
"""The type whose items the tracking plan rules."""

_ACTIVITY_TYPE: Final = "kannelle.privacy.v1.ActivityEntry"
_ACTIVITY_SERVICE: Final = "kannelle.privacy.v1.ActivityLogService"

ITEM_TYPE_BY_SERVICE: Final[Mapping[str, str]] = {
    _ACTIVITY_SERVICE: _ACTIVITY_TYPE,
    "kannelle.privacy.v1.AnalyticsService": EVENT_TYPE,
    "kannelle.privacy.v1.SupportService": "kannelle.privacy.v1.SupportMessage",
}
"""The emit services whose items have one type."""

GATEWAY_ITEM_TYPES: Final = frozenset({"kannelle.privacy.v1.AccessEntry"})
"""The types of items that only the gateway itself makes: a flow of one feeds its logs, and nobody can send it one."""

BACKED_UP_TYPE: Final = "kannelle.project.v1.Project"
"""A company's video project, whose content goes nowhere but where the company has switched backup on."""

KEPT_TYPE: Final = "kannelle.project.v1.WebProject"
"""A project that is made on the web: it is kept, not backed up, and the project that it holds needs no gate."""

_OTLP_PREFIX: Final = "opentelemetry.proto."


def is_log_type(type: str) -> bool:
    """Whether items of a message type are a log's: those of OTLP, of the activity log and of the access log."""
    return type == _ACTIVITY_TYPE or type in GATEWAY_ITEM_TYPES or type.startswith(_OTLP_PREFIX)


def is_log_source(name: str) -> bool:
    """Whether what a flow, or a route's method, names makes a log of what it feeds: a signal, a service or a type."""
    service = name.partition("/")[0]
    return name in BY_FLOW or service == _ACTIVITY_SERVICE or is_log_type(service)
