"""A record becomes one line, in text or in JSON, and says nothing that isn't in the list of what records may say."""

from __future__ import annotations

import json
import logging
import re
import time
from typing import Any, Final, get_args

import pytest

from gateway.telemetry.log import FORMATTERS, JsonFormatter, LogFields, LogFormat, TextFormatter

AT: Final = 1_796_000_523.25
SECRET: Final = "anna.secret@example.com"


def record(
    message: str = "hello", *args: object, level: int = logging.INFO, error: Exception | None = None, **extra: Any
) -> logging.LogRecord:
    info = None if error is None else (type(error), error, None)
    made = logging.getLogger("gateway.app").makeRecord(
        "gateway.app", level, "app.py", 1, message, args, info, extra=extra
    )
    made.created = AT
    return made


TIME: Final = time.strftime("%Y-%m-%dT%H:%M:%S.250Z", time.gmtime(AT))


@pytest.mark.parametrize(
    ("given", "text", "fields"),
    [
        (record(), "INFO gateway.app: hello", {"message": "hello"}),
        (
            record("%s: %d", "crm", 3, level=logging.ERROR),
            "ERROR gateway.app: crm: 3",
            {"level": "ERROR", "message": "crm: 3"},
        ),
        (
            record(role="hub", version="1.2"),
            "INFO gateway.app: hello version=1.2 role=hub",
            {"role": "hub", "version": "1.2"},
        ),
        (record(seconds=0.25), "INFO gateway.app: hello seconds=0.25", {"seconds": 0.25}),
        (record(flows=0), "INFO gateway.app: hello flows=0", {"flows": 0}),
        (
            record(changes=["flow a.B added"]),
            'INFO gateway.app: hello changes="flow a.B added"',
            {"changes": ["flow a.B added"]},
        ),
        (record(changes=[]), "INFO gateway.app: hello changes=none", {"changes": []}),
        (record(policy='a b="c".yaml'), r'INFO gateway.app: hello policy="a b=\"c\".yaml"', {"policy": 'a b="c".yaml'}),
        (
            record("x\ny\x1b[31m\u2028\x85"),
            r"INFO gateway.app: x\ny\x1b[31m\u2028\x85",
            {"message": "x\ny\x1b[31m\u2028\x85"},
        ),
        (record(policy="x\ny"), r'INFO gateway.app: hello policy="x\ny"', {"policy": "x\ny"}),
        (record("é"), "INFO gateway.app: é", {"message": "é"}),
    ],
    ids=str,
)
def test_a_record_is_one_line(given: logging.LogRecord, text: str, fields: dict[str, Any]) -> None:
    assert TextFormatter().format(given) == f"{TIME} {text}"
    line = JsonFormatter().format(given)
    assert line.isascii()
    assert len(line.splitlines()) == 1
    assert json.loads(line) == {"time": TIME, "level": "INFO", "logger": "gateway.app", "message": "hello"} | fields


@pytest.mark.parametrize("zone", ["UTC", "Europe/Paris", "Pacific/Kiritimati"])
@pytest.mark.parametrize("form", get_args(LogFormat))
def test_the_time_is_in_utc_wherever_the_machine_is(
    form: LogFormat, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", zone)
        time.tzset()
        line = FORMATTERS[form]().format(record())
    time.tzset()
    assert re.search(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line)
    assert TIME in line


@pytest.mark.parametrize("form", get_args(LogFormat))
def test_what_is_not_in_the_list_is_not_said(form: LogFormat) -> None:
    try:
        raise ValueError(SECRET)
    except ValueError as error:
        line = FORMATTERS[form]().format(record(error=error, user=SECRET, payload=SECRET))
    assert SECRET not in line
    assert "Traceback" not in line


def test_no_field_has_a_name_that_a_record_has_already() -> None:
    assert not LogFields.__annotations__.keys() & {*vars(record()), "message", "asctime", "time", "level", "logger"}
