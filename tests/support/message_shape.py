"""What a message says, whatever the order of its bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, cast

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message

from gateway.contracts.contract import Contract

ANY: Final = "google.protobuf.Any"


def message_shape(message: Message, contract: Contract) -> Iterator[tuple[str, Any]]:
    """The fields of a message, and of all below it; what an `Any` holds is opened."""
    for field, value in message.ListFields():
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            yield (
                field.full_name,
                sorted(
                    ((repr(key), _value_shape(one, contract)) for key, one in value.items()), key=lambda pair: pair[0]
                ),
            )
        elif field.is_repeated:
            if value:  # the runtime lists an extension that was emptied
                yield field.full_name, [_value_shape(one, contract) for one in value]
        else:
            yield field.full_name, _value_shape(value, contract)


def _value_shape(value: Any, contract: Contract) -> Any:
    if not isinstance(value, Message):
        return repr(value)
    if value.DESCRIPTOR.full_name != ANY:
        return list(message_shape(value, contract))
    url, held = cast(AnyMessage, value).type_url, cast(AnyMessage, value).value
    inner = contract.message_class(url.rpartition("/")[2]).FromString(held)
    return url, _value_shape(inner, contract)
