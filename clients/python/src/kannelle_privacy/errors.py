"""What a call that went wrong raises.

Split by what its caller does next, read from the `google.rpc.ErrorInfo` that the gateway sends.

All are grpc.RpcError, and grpc.aio.AioRpcError too: `code()`, `details()` and `trailing_metadata()` are gRPC's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, Final

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc.aio import AioRpcError, Metadata

DETAILS: Final = "grpc-status-details-bin"
"""The trailer with a `google.rpc.Status`: https://grpc.io/docs/guides/error/#richer-error-model."""

_Code = grpc.StatusCode
_REFUSALS: Final = frozenset(
    {
        _Code.INVALID_ARGUMENT,
        _Code.FAILED_PRECONDITION,
        _Code.PERMISSION_DENIED,
        _Code.UNIMPLEMENTED,
        _Code.RESOURCE_EXHAUSTED,
    }
)


class GatewayError(AioRpcError):
    """A call went wrong, and nobody can say whether its item was accepted.

    Send the request again, under the `request_id` it had.

    `reason` is a name such as `EVENT_NOT_PLANNED`, one of `kannelle.privacy.v1.Reason` without its prefix; empty where
    gRPC itself failed. `retry_after` is when to send again, in seconds, where the gateway says so. `request_id` is what
    the request was sent under, its own or the one that it was given; empty for a stream, whose items have one each.
    """

    reason: str = ""
    retry_after: float | None = None
    request_id: str = ""

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.code().name, self.reason, self.details())))

    __repr__ = __str__


class Refused(GatewayError):
    """The gateway doesn't take this, now or later: mend the request, the contract or the policy.

    `reason` says what is wrong.
    """


class Unavailable(GatewayError):
    """The gateway can't take this now, or isn't there.

    Send the request again, under the `request_id` it had, after `retry_after` seconds.

    An earlier attempt may have been stored, its answer lost on the way: under its ID it counts once.
    """


def read(error: grpc.RpcError, request_id: str = "") -> GatewayError:
    """Return what an error of gRPC says of a request, as the class that tells what to do next."""
    code, trailers = error.code(), tuple[Any, ...](error.trailing_metadata() or ())
    info, retry = ErrorInfo(), RetryInfo()
    told = [detail.type_url for detail in _details(trailers) if detail.Unpack(info) or detail.Unpack(retry)]
    after = retry.retry_delay.ToTimedelta().total_seconds() if any(url.endswith("RetryInfo") for url in told) else None
    made = _class(code, after)(code, Metadata(), Metadata(*trailers), error.details())
    made.reason, made.retry_after, made.request_id = info.reason, after, request_id
    return made


def _class(code: grpc.StatusCode, after: float | None) -> type[GatewayError]:
    if code is _Code.UNAVAILABLE or (code is _Code.RESOURCE_EXHAUSTED and after is not None):
        return Unavailable
    return Refused if code in _REFUSALS else GatewayError


def _details(trailers: Iterable[Any]) -> Sequence[AnyMessage]:
    """Return the details of the status in a call's trailers; none where there is none that can be read."""
    with suppress(DecodeError):
        return [detail for key, value in trailers if key == DETAILS for detail in Status.FromString(value).details]
    return ()
