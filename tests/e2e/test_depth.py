"""Messages of every depth through a running gateway.

By `EmitService` and the outbox, through the proxy both ways, and by `minimise`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from kannelle.privacy.v1 import emit_pb2

from gateway.protobuf.schema import MAX_DEPTH
from tests.support.channels import TIMEOUT_SECONDS, blocking_channel, call
from tests.support.contracts import proto
from tests.support.gateway_process import GatewayProcess
from tests.support.proxied_calls import invoke, proxy_channel
from tests.support.recording_upstream import RecordingUpstream, answer_with
from tests.support.requests import EMIT
from tests.support.wire_format import record

MARK: Final = b"planted"
BODY: Final = """
message Tree { Tree child = 1; string code = 2 @OPERATIONAL; string name = 3; }
service Forest { rpc One(Tree) returns (Tree); }
"""
POLICY: Final = """\
version: 1
controller: Check it Out S.A.S.
user_id: {{pattern: "usr_[a-z0-9]{{1,9}}"}}
ceilings: {{FR: [OPERATIONAL]}}
destinations:
  kept: {{recipient: log, region: FR, purpose: essential.service, legal_basis: CONTRACT, allow: [OPERATIONAL], retention: 30d}}
  forest: {{recipient: service, region: FR, purpose: essential.service, legal_basis: CONTRACT, allow: [OPERATIONAL], retention: 30d}}
flows: {{t.Tree: [kept]}}
routes:
  - {{authority: forest.example, methods: [t.Forest/*], destination: forest, callers: {{web: {{region: FR, allow: [OPERATIONAL]}}}},
     upstream: ["127.0.0.1:{port}"], plaintext: true}}
"""
DEPTHS: Final = (1, 2, 30, 58, 59, 60, 61, 62, 63, 64, 65, 80, 98, 99, 100)


def tree(levels: int) -> bytes:
    """A tree with so many levels, and in each what may leave and what may not."""
    leaf = record(2, 2, b"v1") + record(3, 2, MARK) + record(999, 2, MARK) + record(2, 0, b"\x05")
    raw = leaf
    for _ in range(levels):
        raw = record(1, 2, raw) + leaf
    return raw


def files(folder: Path, port: int) -> tuple[Path, Path]:
    (folder / "protos").mkdir()
    (folder / "protos" / "tree.proto").write_text(proto(BODY))
    (folder / "policy.yaml").write_text(POLICY.format(port=port))
    return folder / "protos", folder / "policy.yaml"


@pytest.fixture(scope="module")
def upstream() -> Iterator[RecordingUpstream]:
    with RecordingUpstream() as one:
        yield one


@contextmanager
def serving(folder: Path, port: int) -> Iterator[GatewayProcess]:
    contracts, policy = files(folder, port)
    environ = {
        "PRIVACY_GATEWAY__POLICY": str(policy),
        "PRIVACY_GATEWAY__CONTRACTS": json.dumps([str(contracts)]),
        "PRIVACY_GATEWAY__SERVICE": "web",
        "PRIVACY_GATEWAY__LISTENERS__OUTBOUND__ADDRESS": "127.0.0.1:0",
    }
    with GatewayProcess(folder, environ=environ) as process:
        yield process


@pytest.fixture(scope="module")
def gateway(upstream: RecordingUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with serving(tmp_path_factory.mktemp("depth"), upstream.port) as process:
        yield process


def codes(value: Any) -> int:
    """How many levels of a tree in JSON have their code."""
    return 0 if value is None else int(value.get("code") == "v1") + codes(value.get("child"))


def test_what_is_emitted_is_stripped_at_every_depth_or_refused(tmp_path: Path) -> None:
    taken = []
    with serving(tmp_path, 1) as gateway, blocking_channel(gateway.address) as channel:
        for levels in DEPTHS:
            item = AnyMessage(type_url="type.googleapis.com/t.Tree", value=tree(levels))
            answer = call(channel, EMIT, emit_pb2.EmitRequest(item=item).SerializeToString())
            taken += [levels] if isinstance(answer, bytes) else []
        # Stopping delivers what waits, by a second decision.
        assert gateway.stop() == 0
    assert taken == [levels for levels in DEPTHS if levels <= MAX_DEPTH]
    kept = (gateway.state / "kept.jsonl").read_bytes()
    assert MARK not in kept
    assert sorted(codes(json.loads(line)["message"]) for line in kept.splitlines()) == [levels + 1 for levels in taken]


@pytest.mark.parametrize("levels", DEPTHS)
def test_what_is_relayed_is_stripped_both_ways_or_refused(
    levels: int, gateway: GatewayProcess, upstream: RecordingUpstream
) -> None:
    with proxy_channel(gateway.listener_address("outbound"), "forest.example") as channel:
        with upstream.scripted(answer_with(record(2, 2, b"v2"))) as seen:
            told = invoke(channel, "/t.Forest/One", tree(levels))
        heard = [raw for one in seen for raw in one.messages]
        with upstream.scripted(answer_with(tree(levels))):
            answered = invoke(channel, "/t.Forest/One", record(2, 2, b"v1"))
    if levels > MAX_DEPTH:
        assert (told.code, heard) == (grpc.StatusCode.RESOURCE_EXHAUSTED, [])
        assert (answered.code, answered.answers) == (grpc.StatusCode.INTERNAL, [])
    else:
        assert (told.code, answered.code) == (grpc.StatusCode.OK, grpc.StatusCode.OK)
        assert [raw.count(b"v1") for raw in (*heard, *answered.answers)] == [levels + 1] * 2
        assert MARK not in b"".join((*heard, *answered.answers))


@pytest.mark.parametrize("levels", [1, 60, 61, 99])
def test_the_command_strips_at_every_depth_or_refuses(levels: int, tmp_path: Path) -> None:
    contracts, policy = files(tmp_path, 1)
    command = [sys.executable, "-m", "gateway", "minimise", "--contracts", str(contracts), "--policy", str(policy)]
    command += ["--type", "t.Tree", "--destination", "kept"]
    done = subprocess.run(command, check=False, input=tree(levels), capture_output=True, timeout=TIMEOUT_SECONDS)
    assert MARK not in done.stdout
    assert (done.returncode, done.stdout.count(b"v1")) == ((0, levels + 1) if levels <= MAX_DEPTH else (1, 0))
