"""Values to plant in hostile traffic, every message with them, and the forms in which they could come out again."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from tests.support.requests import field as tagged

WORD: Final = "zqxjkvwyq"
ACCENTED: Final = "žqxjkvwÿq"
DIGITS: Final = "698765432"
MARKS: Final = (WORD, ACCENTED, DIGITS)
"""What is in every planted value, and nowhere else."""

VALUES: Final = (
    WORD,
    f"{WORD}@{WORD}.example",
    f"{WORD}@gmail.com",
    f"Ana {WORD.title()} {ACCENTED}",
    f"+33{DIGITS}",
    f"{DIGITS}0{DIGITS}",
    f"usr_{WORD}",
    f"sk_live_{WORD}",
    f"{WORD} 4111 1111 1111 1111 {DIGITS}",
    f"{ACCENTED}\u200b@{WORD}.example\n{WORD}",
)
NUMBERS: Final = (int(DIGITS), 33_000_000_000 + int(DIGITS))


def forms(mark: str) -> Iterator[bytes]:
    """How a text may look in a log.

    Plain, as repr and JSON write it, percent-encoded, hexadecimal, base64 wherever it starts.
    """
    raw = mark.encode()
    yield from (
        raw,
        mark.encode("latin-1", "ignore"),
        mark.encode("utf-16-le"),
        repr(raw)[2:-1].encode(),
        ascii(mark)[1:-1].encode(),
    )
    yield from (
        json.dumps(mark)[1:-1].encode(),
        quote(mark).encode(),
        "".join(f"%{byte:02x}" for byte in raw).encode(),
        raw.hex().encode(),
    )
    yield from ("".join(f"\\{byte:03o}" for byte in raw).encode(), raw.hex(" ").encode())
    for skip in range(3):
        # Without the characters that what comes before and after has a part in.
        encoded = base64.b64encode(bytes(skip) + raw)
        inner = encoded[0 if skip == 0 else 4 : len(raw + bytes(skip)) // 3 * 4]
        yield from (inner, inner.translate(bytes.maketrans(b"+/", b"-_")))


NEEDLES: Final = tuple({form.lower(): mark for mark in MARKS for form in forms(mark) if len(form) >= 6}.items())


def find_planted(said: bytes) -> list[str]:
    """Which marks are in what was said, and around what."""
    said = said.lower()
    hits = [(mark, said.find(form)) for form, mark in NEEDLES]
    return [f"{mark}: …{said[max(0, at - 60) : at + 40]!r}" for mark, at in hits if at >= 0]


def filled_message(descriptor: Descriptor, value: str, number: int, depth: int = 6) -> Message:
    """A message with the value in every field, map key and number that it has."""
    message = GetMessageClass(descriptor)()
    for field in descriptor.fields:
        _fill(message, field, value, number, depth)
    return message


def _fill(message: Message, field: FieldDescriptor, value: str, number: int, depth: int) -> None:
    if field.message_type is not None and depth == 0:
        return
    held: Any = getattr(message, field.name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        entry = filled_message(field.message_type, value, number, depth - 1)
        message.MergeFromString(tagged(field.number, entry.SerializeToString()))
    elif field.message_type is not None and field.is_repeated:
        held.append(filled_message(field.message_type, value, number, depth - 1))
    elif field.message_type is not None:
        held.CopyFrom(filled_message(field.message_type, value, number, depth - 1))
    elif field.is_repeated:
        held.append(_scalar(field, value, number))
    else:
        setattr(message, field.name, _scalar(field, value, number))


def _scalar(field: FieldDescriptor, value: str, number: int) -> Any:
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING:
            return value.encode() if field.type == FieldDescriptor.TYPE_BYTES else value
        case FieldDescriptor.CPPTYPE_DOUBLE | FieldDescriptor.CPPTYPE_FLOAT:
            return float(number)
        case FieldDescriptor.CPPTYPE_BOOL:
            return True
        case FieldDescriptor.CPPTYPE_INT64 | FieldDescriptor.CPPTYPE_UINT64:
            return number
    return number % 2**31


def corrupted(data: bytes) -> Iterator[bytes]:
    """A message as it is, and in ways that no parser likes."""
    yield data
    yield data[:-1]
    yield data + b"\xff"
    yield data.replace(WORD[:3].encode(), b"\xff\xfe\xfd")
    yield re.sub(rb"(?<=zqxjkvwy)q", b"\x80", data)
    yield b"\xba\x3e" + bytes([len(WORD)]) + WORD.encode() + data
    yield b"\x7b" * 200 + data
