"""`pipe` as a process between a writer and a reader: neither can make it harm the other, and nothing gets past it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.gateway_process import GatewayProcess
from tests.support.kannelle_policy import KANNELLE_POLICY
from tests.support.planted_values import VALUES, find_planted

SECONDS: Final = 60
ROOT: Final = Path(__file__).parents[2]
PIPE: Final = (sys.executable, "-m", "gateway", "pipe")
TO_LOG: Final = (*PIPE, "--destination", "application-log")
PLAIN: Final = {
    **{name: value for name, value in os.environ.items() if not name.startswith(("PRIVACY_GATEWAY__", "OTEL_"))},
    "OTEL_SERVICE_NAME": "video",
    "OTEL_RESOURCE_ATTRIBUTES": "service.namespace=kannelle,host.ip=10.0.0.1",
}
LINE: Final = b"server started\n"


class Filter:
    """A running filter. `write` is its writer, `out` its reader."""

    def __init__(self, *arguments: str, command: Sequence[str] = TO_LOG) -> None:
        self.process = subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=PLAIN,
            bufsize=0,
        )
        self.files = [file for file in (self.process.stdin, self.process.stdout, self.process.stderr) if file]

    def write(self, data: bytes) -> None:
        assert self.process.stdin
        view = memoryview(data)
        while view:
            view = view[self.process.stdin.write(view) :]

    def line(self) -> bytes:
        assert self.process.stdout
        return self.process.stdout.readline()

    def end(self) -> tuple[int, bytes, bytes]:
        """Its exit code, and what it said, once its writer has gone."""
        out, err = self.process.communicate(timeout=SECONDS)
        assert b"Traceback" not in err
        return self.process.returncode, out, err


@contextmanager
def filtering(*arguments: str, **options: Any) -> Iterator[Filter]:
    made = Filter(*arguments, **options)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.wait()
        for file in made.files:
            file.close()


def filtered(data: bytes, *arguments: str) -> tuple[int, bytes, dict[str, Any]]:
    with filtering("--format", "json", *arguments) as running:
        running.write(data)
        code, out, err = running.end()
        return code, out, json.loads(err)


def test_lines_come_out_as_they_come_in() -> None:
    with filtering() as running:
        for number in range(3):
            running.write(LINE + b'{"msg": "request completed", "user.id": "usr_%d", "ip": "10.0.0.1"}\n' % number)
            assert running.line() == LINE
            assert json.loads(running.line()) == {"msg": "request completed", "user.id": f"usr_{number}"}
        assert running.end() == (0, b"", b"pipe: 6 lines read, 6 passed (3 of them stripped, 0 bare), 0 dropped\n")


def test_what_is_dropped_is_told_in_counts() -> None:
    data = (
        b"Ada Byron signed in\n{\n"
        + b"x" * 70_000
        + b'\n{"name": "Ada"}\nserver started\n  Ada\n{"level": "error", "msg": "no account for Ada"}'
    )
    code, out, told = filtered(data)
    assert (code, out) == (0, LINE + b'{"level":"error"}\n')
    dropped = {"not a template": 1, "nothing left": 1, "malformed": 1, "too long": 1, "continuation": 1}
    assert told == {"read": 7, "passed": 2, "stripped": 1, "bare": 1, "dropped": dropped}


def test_counts_are_said_while_lines_pass() -> None:
    with filtering("--report-every", "0.1s", "--format", "json") as running:
        assert running.process.stderr
        for number in range(1, 3):
            running.write(b"Ada\n")
            while (told := json.loads(running.process.stderr.readline()))["dropped"] != {"not a template": number}:
                assert told["read"] in {number - 1, number}  # said between reading and deciding
        code, out, err = running.end()
    assert (code, out, err.count(b"\n")) == (0, b"", 1)


def test_counts_are_said_when_a_signal_asks() -> None:
    with filtering("--report-every", "0", "--format", "json") as running:
        assert running.process.stderr
        for number in range(1, 3):
            running.write(LINE)
            assert running.line() == LINE
            running.process.send_signal(signal.SIGUSR1)
            assert json.loads(running.process.stderr.readline())["read"] == number
        assert running.end()[0] == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("5m", b"5min or 5mo"),
        ("5", b"5s: a number needs its unit"),
        ("-1s", b"not be negative"),
        ("x", b"a number and its unit"),
    ],
)
def test_an_interval_has_its_unit(value: str, text: bytes) -> None:
    with filtering("--report-every", value) as running:
        code, out, err = running.end()
    assert (code, out) == (2, b"")
    assert text in err


def test_bare_records_and_mapped_keys_reach_the_gateway(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(KANNELLE_POLICY + "pipe: {keys: {severity_text: [how_bad], body: [what]}}\n")
    lines = [
        b'{"how_bad": "crit", "what": "server started", "name": "Ada"}',
        b'{"level": "error", "msg": "no account for Ada"}',
        b"Traceback (most recent call last):",
        b'  File "a.py", line 1',
        b"ValueError: no account for Ada",
    ]
    with GatewayProcess(tmp_path) as process:
        code, out, told = filtered(b"\n".join(lines), "--policy", str(policy), "--local", process.address)
        assert process.stop() == 0
    # The traceback belongs to the error before it.
    assert (code, out) == (0, b"")
    assert told == {"read": 5, "passed": 2, "stripped": 2, "bare": 1, "dropped": {"continuation": 3}}
    written = (process.state / "application-log.jsonl").read_text()
    records = [json.loads(line)["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0] for line in written.splitlines()]
    assert [(record["severityText"], record.get("body")) for record in records] == [
        ("crit", {"stringValue": "server started"}),
        ("error", None),
    ]
    assert "Ada" not in written


def test_a_reader_that_stalls_does_not_hold_up_the_writer() -> None:
    lines = 500_000
    with filtering("--format", "json") as running:
        # Nobody reads yet: written in full, this is far more than all pipes and queues hold.
        for _ in range(100):
            running.write(LINE * (lines // 100))
        code, out, err = running.end()
    told = json.loads(err)
    assert (code, told["read"]) == (1, lines)
    assert told["passed"] + told["dropped"]["overflow"] + told["dropped"].get("late", 0) == lines
    assert out == LINE * told["passed"]


def test_a_reader_that_stalls_for_good_is_given_up() -> None:
    with filtering("--format", "json") as running:
        running.write(LINE * 30_000)
        assert running.process.stdin
        running.process.stdin.close()
        assert running.process.wait(SECONDS) == 1
        assert running.process.stderr
        told = json.loads(running.process.stderr.read())
    assert told["passed"] + told["dropped"]["output stalled"] == 30_000


def test_a_reader_that_leaves_does_not_end_the_writer() -> None:
    with filtering("--format", "json") as running:
        running.write(LINE)
        assert running.line() == LINE
        assert running.process.stdout
        running.process.stdout.close()
        running.process.stdout = None
        for _ in range(50):
            running.write(LINE * 6_000)
        code, _, err = running.end()
    told = json.loads(err)
    assert (code, told["read"]) == (1, 300_001)
    assert told["dropped"]["output closed"]


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGQUIT, signal.SIGUSR2]
)
def test_signals_do_not_end_it(number: int) -> None:
    with filtering() as running:
        running.write(LINE)
        assert running.line() == LINE
        for _ in range(3):
            running.process.send_signal(number)
            running.write(LINE)
            assert running.line() == LINE
        assert running.end()[0] == 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--destination", "nowhere"], b"there is no nowhere"),
        (["--destination", "application-log", "--policy", "BAD"], b"policy.yaml"),
        (["--destination", "application-log", "--policy", "/nowhere.yaml"], b"does not exist"),
        (["--destination", "application-log", "--local", "logs.example:4317"], b"local: must be host:port on loopback"),
        (["--destination", "application-log", "--lcoal"], b"No such option"),
        (["--destination", "application-log", "--report-every", "5"], b"a number needs its unit"),
        (["--destination", "application-log", "--format", "xml"], b"'xml' is not one of"),
        (["--destination", "application-log", "more"], b"unexpected extra argument"),
        (["--policy", "/nope"], b"does not exist"),
        ([], b"Missing option"),
    ],
)
def test_a_filter_that_cannot_start_reads_on_and_lets_nothing_out(
    arguments: list[str], text: bytes, tmp_path: Path
) -> None:
    bad = tmp_path / "policy.yaml"
    bad.write_text("version: 2\n")
    with filtering(*(str(bad) if one == "BAD" else one for one in arguments), command=PIPE) as running:
        assert running.process.stderr
        said = running.process.stderr.readline()
        running.write(LINE * 200_000)
        assert running.process.poll() is None
        code, out, err = running.end()
    assert (code, out) == (2, b"")
    assert text in said + err
    assert err.endswith(
        b"pipe: 200000 lines read, 0 passed (0 of them stripped, 0 bare), 200000 dropped: 200000 not ready\n"
    )


@pytest.mark.parametrize("form", [["--format", "json"], ["--format=json"]])
def test_a_wrong_call_is_counted_in_the_form_it_asks_for(form: list[str]) -> None:
    with filtering("--lcoal", *form, command=PIPE) as running:
        running.write(LINE * 3)
        code, _, err = running.end()
    counts = {"read": 3, "passed": 0, "stripped": 0, "bare": 0, "dropped": {"not ready": 3}}
    assert (code, json.loads(err.splitlines()[-1])) == (2, counts)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A file of many more bytes than may wait."""
    file = tmp_path / "app.log"
    file.write_bytes((b'{"msg": "server started", "x": "' + b"x" * 4_000 + b'"}\n') * 6_000)
    return file


def test_of_a_file_nothing_is_lost(large: Path) -> None:
    with large.open("rb") as file:
        done = subprocess.run(
            [*TO_LOG, "--format", "json"], stdin=file, capture_output=True, env=PLAIN, check=False, timeout=SECONDS
        )
    counts = {"read": 6_000, "passed": 6_000, "stripped": 6_000, "bare": 0, "dropped": {}}
    assert (done.returncode, json.loads(done.stderr)) == (0, counts)
    assert done.stdout == b'{"msg":"server started"}\n' * 6_000


def test_of_a_file_nothing_is_lost_on_its_way_to_the_gateway(large: Path, tmp_path: Path) -> None:
    with GatewayProcess(tmp_path) as process, large.open("rb") as file:
        command = [*TO_LOG, "--format", "json", "--local", process.address]
        done = subprocess.run(command, stdin=file, capture_output=True, env=PLAIN, check=False, timeout=SECONDS)
        assert process.stop() == 0
    assert (done.returncode, json.loads(done.stderr)["passed"]) == (0, 6_000)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """What starts from here can be interrupted, also in the background of a shell, which would ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_what_reads_a_file(number: int, large: Path) -> None:
    # It stands still, because nobody reads on.
    with (
        large.open("rb") as file,
        subprocess.Popen(TO_LOG, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=PLAIN) as process,
    ):
        assert process.stdout
        assert process.stdout.readline() == b'{"msg":"server started"}\n'
        process.send_signal(number)
        _, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, err) == (-number, b"")


def test_the_end_is_bounded_and_counted_whatever_waits() -> None:
    line = b'{"msg": "server started", "level": "info", "user": {"id": "usr_1", "name": "Ada"}}\n'
    with filtering("--format", "json") as running:
        running.write(line)
        assert running.line()
        reader = threading.Thread(target=lambda: [None for _ in iter(running.line, b"")])
        reader.start()
        running.write(line * 100_000)
        assert running.process.stdin
        running.process.stdin.close()
        ended = time.monotonic()
        assert running.process.stderr
        told = json.loads(running.process.stderr.readline())
        took = time.monotonic() - ended
        assert running.process.wait(SECONDS) == 1
        reader.join()
    assert (told["read"], told["passed"] + sum(told["dropped"].values())) == (100_001, 100_001)
    assert set(told["dropped"]) <= {"overflow", "late"}
    assert took < 8  # five, and something for a machine that is busy; without a bound it takes thirty


SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


def test_signals_while_it_starts_do_not_end_it() -> None:
    """As the documented entrypoint starts it: what is ignored stays ignored, from before Python starts."""
    words = next(iter(re.findall(r"^\((trap '' [A-Z0-9 ]+; exec) ", (ROOT / "docs/logs.md").read_text(), re.MULTILINE)))
    script = words.replace("; exec", '; echo ready; exec "$@"')
    with filtering(command=["sh", "-c", script, "sh", *TO_LOG]) as running:
        assert running.line() == b"ready\n"
        running.write(LINE)
        reader = threading.Thread(target=running.line)
        reader.start()
        while reader.is_alive():
            reader.join(0.002)
            for number in SIGNALS:
                running.process.send_signal(number)
        running.write(LINE)
        code, out, err = running.end()
    assert (code, out) == (0, LINE)
    assert err.splitlines()[-1].startswith(b"pipe: 2 lines read, 2 passed")


def test_what_ignores_signals_is_loaded_before_anything_that_takes_long() -> None:
    heavy = {"click", "msgspec", "google.protobuf", "grpc", "yaml", "asyncio", "importlib.metadata", "logging"}
    code = (
        f"import sys; loaded = set(sys.modules); import gateway.__main__; print(*({heavy!r} & (sys.modules.keys() - "
        "loaded)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=SECONDS)
    assert done.stdout.strip() == b""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"privacy-gateway": "gateway.__main__:main"}


BROKEN: Final = """
import gateway.pipe.run
from gateway.cli import main
def fail(lines, line_filter, sink):
    raise ValueError(lines.batch()[0].decode())
gateway.pipe.run.run = fail
main(["pipe", "--destination", "application-log"])
"""


def test_a_fault_that_nobody_foresaw_stops_the_lines_and_not_the_writer() -> None:
    with filtering(command=[sys.executable, "-c", BROKEN]) as running:
        running.write(b"Ada Byron\n" + LINE * 200_000)
        code, out, err = running.end()
    assert (code, out) == (2, b"")
    assert b"\nInternal error (ValueError at " in err
    assert err.startswith(b"pipe: 200001 lines read, 0 passed")
    assert b"Ada" not in err


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_what_is_closed_from_the_start_is_no_fault(closed: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f'"$@" {closed}', "sh", *TO_LOG],
        input=LINE,
        capture_output=True,
        env=PLAIN,
        check=False,
        timeout=SECONDS,
    )
    assert b"Traceback" not in done.stderr
    assert done.returncode == int(closed == ">&-")
    assert done.stdout == (LINE if closed == "2>&-" else b"")


HOSTILE: Final = [
    bytes(range(256)) * 64,  # binary
    b"z" * 10_000_000,  # ten megabytes
    b'{"msg": "' + b"z" * 10_000_000 + b'"}',  # ten megabytes of JSON
    b"server started\x00",  # NUL
    b"\x00" * 60_000,  # NULs
    b'{"msg": "server started\\u0000", "\\u0000": "\\u0000"}',  # escaped NUL
    b'{"msg": "\xc3\x28"}',  # no UTF-8
    b'{"a": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",  # deep lists
    b'{"http":' * 8_000 + b"1" + b"}" * 8_000,  # deep objects
    b'{"http.response.status_code": ' + b"9" * 60_000 + b"}",  # huge number
    b'{"process.pid": 18446744073709551616, "time": 1e308, "ts": -1e308, "level": 1e22}',  # large numbers
    b'{"process.pid": NaN}',  # numbers
    b'{"msg": "Ada", "user.id": "Ada", "msg": "Byron", "user.id": "Byron"}',  # keys twice
    b'{"msg": "\\ud800", "a": "\\udc00\\ud800"}',  # half a surrogate
    b"{" + b",".join(b'"%x":0' % number for number in range(6_000)) + b"}",  # many keys
    b'{"user.id": [' + b",".join([b'"x"'] * 15_000) + b"]}",  # many values
    b"server started\r\r",  # carriage returns
    "sеrver started".encode(),  # look-alike
]


def test_no_line_ends_it_or_comes_out() -> None:
    code, out, told = filtered(b"".join(line + b"\n" + LINE for line in HOSTILE))
    assert (code, out) == (0, LINE * len(HOSTILE))
    assert (told["passed"], told["stripped"]) == (len(HOSTILE), 0)


def test_ten_megabytes_without_an_end_take_no_memory() -> None:
    with filtering() as running:
        running.write(LINE)
        assert running.line() == LINE
        before = peak(running.process.pid)
        for _ in range(100):
            running.write(b"z" * 1_000_000)
        running.write(b"\n" + LINE)
        assert running.line() == LINE
        assert peak(running.process.pid) - before < 4_000_000


def peak(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def planted(value: str) -> Iterator[bytes]:
    """Lines with a value at each kind of place. To the policy, a lower-case word by itself is a route."""
    yield value.replace("\n", " ").encode()
    shapes: list[Any] = [
        {"message": value, "level": value, "time": value, "trace_id": value, "span_id": value},
        {"msg": "request completed", value: value, "a": {value: [value, {value: value}]}},
        {"user.name": value, "user": {"full_name": value, "id": {"id": value}, "email": [[value]]}},
        {
            "exception.message": value,
            "exception": {"stacktrace": [value]},
            "url": {"full": value, "query": {"q": value}},
        },
        {
            "http.route": f"GET {value}",
            "http": {"request": {"method": value, "header": {"cookie": value}}},
            "code.line.number": value,
        },
    ]
    for shape in shapes:
        yield json.dumps(shape).encode()
        yield json.dumps(shape, ensure_ascii=False).encode()
        yield json.dumps(shape).encode()[:-1]


def test_no_planted_value_gets_past_it() -> None:
    lines = [line for value in VALUES for line in planted(value)]
    with filtering() as running:
        running.write(b"\n".join(lines))
        code, out, err = running.end()
    assert code == 0
    assert find_planted(out + err) == []
    assert {json.loads(line)["msg"] for line in out.splitlines()} == {"request completed"}


@pytest.mark.parametrize("local", [["--local"], []])
def test_a_text_goes_to_the_gateway_on_the_machine(local: list[str], tmp_path: Path) -> None:
    with GatewayProcess(tmp_path) as process:
        address = process.address
        data = (
            b'server started\nAda\n{"msg": "request failed", "level": "error", "user": {"id": "usr_1", "name": '
            b'"Ada"}}\n'
        )
        arguments = ["--local", address] if local else [f"--local={address}"]
        code, out, told = filtered(data, *arguments)
        assert process.stop() == 0
    assert (code, out) == (0, b"")
    assert told == {"read": 3, "passed": 2, "stripped": 1, "bare": 0, "dropped": {"not a template": 1}}
    written = [json.loads(line) for line in (process.state / "application-log.jsonl").read_text().splitlines()]
    records = [record["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0] for record in written]
    assert [record["body"]["stringValue"] for record in records] == ["server started", "request failed"]
    assert records[1]["severityText"] == "error"
    named = [
        {pair["key"]: pair["value"]["stringValue"] for pair in record["resourceLogs"][0]["resource"]["attributes"]}
        for record in written
    ]
    assert named == [{"service.name": "video", "service.namespace": "kannelle"}] * 2
    assert "Ada" not in json.dumps(written)
    assert "usr_1" in json.dumps(written)


def test_a_gateway_that_is_not_there_holds_up_nobody() -> None:
    code, out, told = filtered(LINE * 100_000, "--local", "127.0.0.1:9")
    assert (code, out, told["read"], told["passed"]) == (1, b"", 100_000, 0)
    assert sum(told["dropped"].values()) == 100_000
