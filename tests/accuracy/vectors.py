"""The vectors of the judgement, made of its table: what every engine must do with each line.

    python -m tests.accuracy.vectors

writes them. Each line gives one case at the store and one under its key, some give one at the vendor; each text of
`masked.txt` one more, and so does each value with an exemption.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any, Final

from google.protobuf import text_format
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs

from tests.accuracy.table import POSITIONS, Line, lines, masked_texts
from tests.support.contracts import NOW_SECONDS
from tests.support.decisions import EXEMPTING_POLICY, VECTORS, compiler
from tests.support.otlp_attributes import key_values

FILE: Final = VECTORS / "judgement.json"
INSIDE: Final = "OUENPRYC"
OUTSIDE: Final = "oue"
VENDOR_LINES: Final = 3
"""One in so many lines is tried at the vendor too, in one place after the other."""

KANNELLES: Final = "../../gateway/policy/kannelle.yaml"
FACTS: Final = {"received_ns": NOW_SECONDS * 10**9, "directory": False, "verified": []}

EXEMPTED: Final = (
    # A field, a value, and the destinations that get it.
    ("order_id", "ord_4175306178", ("store",)),
    ("order_id", "ord_0612345678", ("store",)),
    ("order_id", "ord_1234567890", ("store", "vendor")),
    ("order_id", "ord_41753061789", ()),
    ("user_id", "usr_0612345678", ("store", "vendor")),
    ("user_id", "usr_4111111111111111", ("store", "vendor")),
    ("user_id", "usr_33612345678", ("store", "vendor")),
    ("user_id", "usr_FR7630006000011234567890189", ()),
    ("user_id", "usr_YWRhQGFjbWUuY29t", ()),
    ("user_id", "usr_185057800608491", ()),
)
"""Where the policy says what isn't looked for: inside the EU in a field, everywhere in user IDs."""

Case = dict[str, Any]


def cases() -> Iterator[Case]:
    """Yield all cases, in the table's order."""
    for index, line in enumerate(lines()):
        yield _judged(line, "".join(place for place in INSIDE if line.verdicts[place] != "?"), "store")
        place = OUTSIDE[index // VENDOR_LINES % len(OUTSIDE)]
        if index % VENDOR_LINES == 0 and line.verdicts[place] != "?":
            yield _judged(line, place, "vendor")
        if line.verdicts["K"] in "ks":
            yield _attribute(line)
    yield from map(_masked, *zip(*masked_texts(), strict=True))
    for field, value, destinations in EXEMPTED:
        yield from (
            _exempted(field, value, destination, destination in destinations) for destination in ("store", "vendor")
        )


def rendered() -> str:
    """The text of the file: a list of cases."""
    return "[\n  " + ",\n  ".join(json.dumps(case, ensure_ascii=False) for case in cases()) + "\n]\n"


def _judged(line: Line, places: str, destination: str) -> Case:
    given = {POSITIONS[place].field: POSITIONS[place].template.format(line.value) for place in places}
    under = "" if line.key == "-" else f"what could be {line.key}, "
    named = (
        f"{under}{line.value}, as {'each category' if len(places) > 1 else POSITIONS[places].field}, at {destination}"
    )
    case = _field_case(named, line.part, destination, given)
    if any(line.verdicts[place] == "w" for place in places):
        return case | {"withheld": "PERSONAL_ACCOUNT"}
    kept = {
        POSITIONS[place].field: _kept(place, given[POSITIONS[place].field])
        for place in places
        if line.verdicts[place] == "k"
    }
    return case | {"output": {"text": _written(kept)}}


def _kept(place: str, given: str) -> str:
    """What stays: addresses in their normal form."""
    local, at, domain = given.rpartition("@")
    return f"{unicodedata.normalize('NFC', local.partition('+')[0].lower())}{at}{domain}" if place in "Ee" else given


def _masked(text: str, left: str) -> Case:
    case = _field_case(f"{text} as free text, at store", "what is masked", "store", {"free_text": text})
    return case | {"output": {"text": _written({"free_text": left})}}


def _exempted(field: str, value: str, destination: str, stays: bool) -> Case:
    case = _field_case(f"{value} as {field}, exempted, at {destination}", "exemptions", destination, {field: value})
    return case | {"policy": EXEMPTING_POLICY, "output": {"text": _written({field: value} if stays else {})}}


def _field_case(name: str, row: str, destination: str, given: Mapping[str, str]) -> Case:
    numbers = compiler().contract.message_class("vectors.v1.Judged").DESCRIPTOR.fields_by_name
    parts = [{"field": numbers[field].number, "utf8": text} for field, text in given.items()]
    return {
        "name": name, "row": row, "contract": "judgement.proto", "policy": "judgement.yaml", "type": "vectors.v1.Judged",
        "destination": destination, "facts": FACTS, "input": parts,
    }  # fmt: skip


def _written(kept: Mapping[str, str]) -> str:
    message = compiler().contract.message_class("vectors.v1.Judged")(**kept)
    return text_format.MessageToString(message, as_one_line=True, as_utf8=True)


def _attribute(line: Line) -> Case:
    """The value under its key, beside an attribute that stays anyhow."""
    beside = {"service.name": "video-exporter"} if line.key != "service.name" else {"service.namespace": "kannelle"}
    given, stays = {**beside, line.key: line.value}, line.verdicts["K"] == "k"
    parts: list[Any] = [_pair(key, value) for key, value in given.items()]
    for number in (2, 2):
        parts = [{"field": number, "parts": parts}]
    record = LogRecord(attributes=key_values(given if stays else beside))
    output = ResourceLogs(scope_logs=[ScopeLogs(log_records=[record])])
    return {
        "name": f"{line.value} under {line.key}, at application-log", "row": line.part,
        "contract": "opentelemetry/proto/logs/v1/logs.proto", "policy": KANNELLES, "type": ResourceLogs.DESCRIPTOR.full_name,
        "destination": "application-log", "facts": FACTS, "input": parts,
        "output": {"text": text_format.MessageToString(output, as_one_line=True, as_utf8=True)},
    }  # fmt: skip


def _pair(key: str, value: str) -> Case:
    """An attribute of a log record."""
    numbers = KeyValue.DESCRIPTOR.fields_by_name
    held = [{"field": 1, "utf8": value}]
    return {
        "field": LogRecord.DESCRIPTOR.fields_by_name["attributes"].number,
        "parts": [{"field": numbers["key"].number, "utf8": key}, {"field": numbers["value"].number, "parts": held}],
    }


if __name__ == "__main__":
    FILE.write_text(rendered(), encoding="utf-8")
