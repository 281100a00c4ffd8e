"""The types of items that the gateway brings, which of its services takes which, and which types are a log's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.contracts.contract import Contract
from gateway.otlp.signals import BY_FLOW
from gateway.policy.fields import types_leading_to

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
_COLLECTOR_PREFIX: Final = f"{_OTLP_PREFIX}collector."
"""Of OTLP's services, and of their requests and answers."""


def is_log_type(type: str) -> bool:
    """Whether a message type is itself a log's: one of OTLP's data, an activity or the access log's.

    Requests hold such types; what answers them holds none.
    """
    otlp = type.startswith(_OTLP_PREFIX) and not type.startswith(_COLLECTOR_PREFIX)
    return otlp or type == _ACTIVITY_TYPE or type in GATEWAY_ITEM_TYPES


def log_types(contract: Contract) -> frozenset[str]:
    """The types of a contract whose items are a log's: those of logs, and all that hold one of them, at any depth."""
    return types_leading_to(filter(is_log_type, contract.messages), contract, contract.messages)


def is_log_source(name: str) -> bool:
    """Whether what a flow, or a route's method, names makes a log of what it feeds: a signal, a service or a type."""
    service = name.partition("/")[0]
    brought = service == _ACTIVITY_SERVICE or service.startswith(_OTLP_PREFIX)
    return name in BY_FLOW or brought or is_log_type(service)
