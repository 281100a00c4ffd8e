"""With proxies in the environment, what is said to the gateway, and what the gateway says, goes to none of them.

Every snippet of the pages is run as it is written there; a gateway's address comes by the environment, as in a pod.
"""

from __future__ import annotations

import ast
import asyncio
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import pytest
from kannelle_privacy import aio, connect, outbound_channel
from kannelle_privacy.address import FORM, LOCAL_VARIABLE, OUTBOUND_VARIABLE

from gateway.config import Local, LocalHttp
from tests.support.channels import TIMEOUT_SECONDS, fake_http_proxy
from tests.support.fake_delivery import FakeDelivery
from tests.support.recording_upstream import RecordingUpstream
from tests.support.running_gateway import RunningGateway, run_gateway

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = (ROOT / "README.md", ROOT / "clients" / "python" / "README.md", *sorted((ROOT / "docs").glob("*.md")))

DIALS: Final = re.compile(r"(?<!fake\.)\bconnect\(|_channel\(|\bsetup\(|\bClient")
"""What a snippet has in it that makes a connection."""

REQUEST: Final = """
from kannelle.privacy.v1.analytics_pb2 import AnalyticsEvent, TrackEventRequest
from kannelle.privacy.v1.context_pb2 import UserContext
request = TrackEventRequest(event=AnalyticsEvent(user=UserContext(user_id="usr_7Yk2", full_name="Ada Byron"), name="video.exported"))
"""

CALL: Final = """
with channel:
    print(channel.unary_unary("/directory.v1.Directory/Find")(b"", timeout=10))
"""


def blocks(kind: str) -> Iterator[tuple[str, str]]:
    """The pages' blocks of a language: where each begins, and what it says."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for block in re.finditer(rf"(?s)^```{kind}\n(.*?)^```", text, re.MULTILINE):
            yield f"{page.relative_to(ROOT)}:{text.count(chr(10), 0, block.start()) + 2}", block[1]


def snippets() -> Iterator[tuple[str, str]]:
    """The snippets that connect to something."""
    return ((place, text) for place, text in blocks("python") if DIALS.search(text))


def program(text: str) -> str:
    """A snippet with what is around it in a program."""
    if "async with" in text:
        text = f"import asyncio\nasync def main():\n{textwrap.indent(text, '    ')}\nasyncio.run(main())\n"
    return REQUEST + text + (CALL if "outbound_channel(" in text else "")


async def run(*command: str, **environ: str) -> str:
    """Run a program, which must end well; what it printed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "PRIVACY_GATEWAY__"))}
    done = await asyncio.to_thread(
        subprocess.run,
        command,
        env={**kept, **environ},
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=TIMEOUT_SECONDS,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@pytest.fixture(params=["port", "socket"])
async def behind(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[RunningGateway, FakeDelivery]]:
    """A gateway in an environment that names proxies, which nobody asks."""
    address = "127.0.0.1:0" if request.param == "port" else f"unix:{tmp_path}/gateway.sock"
    gate = FakeDelivery()
    async with fake_http_proxy(monkeypatch) as asked:
        async with run_gateway(
            tmp_path, gate, local=Local(address=address), local_http=LocalHttp(address="127.0.0.1:0")
        ) as gateway:
            yield gateway, gate
        assert asked == []


@pytest.mark.parametrize("text", [pytest.param(text, id=place) for place, text in snippets()])
async def test_a_snippet_of_the_pages_reaches_the_gateway_alone(
    text: str, behind: tuple[RunningGateway, FakeDelivery]
) -> None:
    gateway, gate = behind
    with RecordingUpstream() as upstream:
        told = {LOCAL_VARIABLE: gateway.address, OUTBOUND_VARIABLE: f"127.0.0.1:{upstream.port}"}
        await run(sys.executable, "-c", program(text), **told)
        called = [seen.path for seen in upstream.calls]
    assert called == ["/directory.v1.Directory/Find"] if "outbound_channel(" in text else gate.releases
    assert not any(b"Ada" in release.payload for release in gate.releases)


def test_the_pages_have_such_snippets() -> None:
    found = {place.partition(":")[0] for place, _ in snippets()}
    assert found >= {"README.md", "clients/python/README.md"}
    assert any("aio.connect(" in text for _, text in snippets())


PROTOCOLS: Final = {"grpc": "4317", "http": "4318"}

UNMODIFIED: Final = """
from opentelemetry.exporter.otlp.proto.{protocol}._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
provider = LoggerProvider(shutdown_on_exit=False)
provider.add_log_record_processor(SimpleLogRecordProcessor(OTLPLogExporter()))
provider.get_logger("video").emit(body="Ada Byron signed in", attributes={{"user.id": "usr_1"}})
provider.shutdown()
"""


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_an_unmodified_exporter_set_up_as_the_page_says_reaches_the_gateway_alone(
    protocol: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shell,) = (text for _, text in blocks("sh") if "OTEL_EXPORTER_OTLP_ENDPOINT" in text)
    async with (
        fake_http_proxy(monkeypatch) as asked,
        run_gateway(tmp_path, gate := FakeDelivery(), local_http=LocalHttp(address="127.0.0.1:0")) as gateway,
    ):
        address = gateway.address if protocol == "grpc" else gateway.http
        shell = shell.replace("4317", address.rpartition(":")[2])
        await run(
            "sh",
            "-euc",
            f'{shell}exec "$@"',
            "sh",
            sys.executable,
            "-c",
            UNMODIFIED.format(protocol=protocol),
        )
    assert (len(gate.releases), asked) == (1, [])


async def test_an_unmodified_exporter_over_a_unix_socket_asks_no_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = Local(address=f"unix:{tmp_path}/gateway.sock")
    async with (
        fake_http_proxy(monkeypatch) as asked,
        run_gateway(tmp_path, gate := FakeDelivery(), local=local) as gateway,
    ):
        told = {"OTEL_EXPORTER_OTLP_ENDPOINT": gateway.address, "OTEL_EXPORTER_OTLP_INSECURE": "true"}
        await run(sys.executable, "-c", UNMODIFIED.format(protocol="grpc"), **told)
    assert (len(gate.releases), asked) == (1, [])


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_without_either_the_proxy_is_asked(
    protocol: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the tests here would notice."""
    async with (
        fake_http_proxy(monkeypatch) as asked,
        run_gateway(tmp_path, FakeDelivery(), local_http=LocalHttp(address="127.0.0.1:0")) as gateway,
    ):
        address = gateway.address if protocol == "grpc" else gateway.http
        told = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{address}", "OTEL_EXPORTER_OTLP_TIMEOUT": "2"}
        await run(sys.executable, "-c", UNMODIFIED.format(protocol=protocol), **told)
    assert asked


async def test_the_filter_sends_to_the_gateway_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with fake_http_proxy(monkeypatch) as asked, run_gateway(tmp_path, gate := FakeDelivery()) as gateway:
        record = '{"user": {"id": "usr_1"}}'
        command = (
            f"echo '{record}' | {sys.executable} -m gateway pipe --destination application-log --local "
            f"{gateway.address}"
        )
        await run("sh", "-c", command)
    assert (len(gate.releases), asked) == (1, [])


@pytest.mark.parametrize(
    "value", ["collector.example:4317", "10.0.0.7:4317", "0.0.0.0:4317", "127.0.0.1:0", "127.0.0.1", "4317", "x"]
)
def test_the_environment_names_an_address_on_this_machine(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (LOCAL_VARIABLE, OUTBOUND_VARIABLE):
        monkeypatch.setenv(variable, value)
    with pytest.raises(ValueError, match=f"^{LOCAL_VARIABLE}: {FORM}$"):
        connect()
    with pytest.raises(ValueError, match=f"^{LOCAL_VARIABLE}: {FORM}$"):
        aio.connect()
    for make in (outbound_channel, aio.outbound_channel):
        with pytest.raises(ValueError, match=f"^{OUTBOUND_VARIABLE}: {FORM}$"):
            make("directory.kannelle.svc")
        with pytest.raises(ValueError, match=f"^address: {FORM}$"):
            make("directory.kannelle.svc", value)


CODE: Final = tuple(
    path
    for folder in ("gateway", "clients/python/src/kannelle_privacy", "tests/bench")
    for path in (ROOT / folder).rglob("*.py")
)


def channels(tree: ast.AST) -> Iterator[tuple[int, bool]]:
    """Where code makes a channel of gRPC's, and whether it says any options."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("insecure_channel", "secure_channel")
        ):
            most = 2 if node.func.attr == "secure_channel" else 1
            given = [*node.args[most:], *(word.value for word in node.keywords if word.arg == "options")]
            yield (
                node.lineno,
                any(re.search(r"OPTIONS\b|\boptions\b|grpc\.enable_http_proxy", ast.unparse(one)) for one in given),
            )


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_channel_is_made_without_options(path: Path) -> None:
    """Which say `grpc.enable_http_proxy`: what each does is tested where it is made."""
    assert [line for line, said in channels(ast.parse(path.read_text(encoding="utf-8"))) if not said] == []
