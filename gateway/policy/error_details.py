"""What the fields of gRPC's error details hold, since their protos can't be annotated.

A field that isn't listed here is unclassified.

Their meaning: https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.model import Category, FieldPrivacy

RPC_PACKAGE: Final = "google.rpc."

_OPERATIONAL: Final = FieldPrivacy(Category.OPERATIONAL)
_FREE_TEXT: Final = FieldPrivacy(Category.FREE_TEXT)
_CONSTANT: Final = FieldPrivacy(Category.OPERATIONAL, pattern="[A-Z][A-Z0-9_]{0,62}")
_CODE: Final = FieldPrivacy(Category.OPERATIONAL, min=0, max=16)
_DELAY: Final = FieldPrivacy(Category.OPERATIONAL, min=0, max=86_400)

CLASSIFICATIONS: Final[Mapping[str, FieldPrivacy]] = {
    f"{RPC_PACKAGE}Status.code": _CODE,
    f"{RPC_PACKAGE}Status.message": _FREE_TEXT,
    f"{RPC_PACKAGE}RetryInfo.retry_delay": _DELAY,
    f"{RPC_PACKAGE}ErrorInfo.reason": _CONSTANT,
    f"{RPC_PACKAGE}ErrorInfo.domain": _OPERATIONAL,
    f"{RPC_PACKAGE}QuotaFailure.Violation.description": _FREE_TEXT,
    f"{RPC_PACKAGE}QuotaFailure.Violation.api_service": _OPERATIONAL,
    f"{RPC_PACKAGE}QuotaFailure.Violation.quota_metric": _OPERATIONAL,
    f"{RPC_PACKAGE}QuotaFailure.Violation.quota_id": _OPERATIONAL,
    f"{RPC_PACKAGE}QuotaFailure.Violation.quota_value": _OPERATIONAL,
    f"{RPC_PACKAGE}QuotaFailure.Violation.future_quota_value": _OPERATIONAL,
    f"{RPC_PACKAGE}PreconditionFailure.Violation.type": _CONSTANT,
    f"{RPC_PACKAGE}PreconditionFailure.Violation.description": _FREE_TEXT,
    f"{RPC_PACKAGE}BadRequest.FieldViolation.field": _OPERATIONAL,
    f"{RPC_PACKAGE}BadRequest.FieldViolation.description": _FREE_TEXT,
    f"{RPC_PACKAGE}BadRequest.FieldViolation.reason": _CONSTANT,
    f"{RPC_PACKAGE}LocalizedMessage.message": _FREE_TEXT,
}
"""Durations are in seconds.

Subjects, resources, owners, request IDs, links, stack traces and maps may name somebody.
"""


def unclaimed_classifications(claims: Mapping[str, FieldPrivacy]) -> Mapping[str, FieldPrivacy]:
    """What counts of it: `claims` on a field, by policy and contract, come before it, even while not approved."""
    return {name: privacy for name, privacy in CLASSIFICATIONS.items() if name not in claims}
