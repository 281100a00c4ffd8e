"""What changes under calls between services, none of which may notice.

Certificates, the policy, connections, and the gateway's own end.
"""

from __future__ import annotations

import itertools
import json
import queue
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
import trustme
from cryptography import x509
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from tests.support.channels import CHANNEL_OPTIONS, TIMEOUT_SECONDS, blocking_channel
from tests.support.gateway_process import GatewayProcess
from tests.support.proxy_process import (
    access_log,
    call_through,
    calling_repeatedly,
    fetch_page,
    gateway,
    method,
    metric_value,
    outbound_channel,
    policy,
    reload_count,
    route,
    wait_until,
)
from tests.support.upstreams import item, parse_item, serve_methods

_Code: Final = grpc.StatusCode


def said(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
    """A conversation: each message comes back."""
    return requests


class Talk:
    """A stream both ways that stays open, word by word."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._words: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._answers = method(channel, "Both")(iter(self._words.get, None))

    def say(self, raw: bytes) -> bytes:
        self._words.put(raw)
        answer: bytes = next(self._answers)
        return answer

    def end(self) -> grpc.StatusCode:
        self._words.put(None)
        assert list(self._answers) == []
        code: grpc.StatusCode = self._answers.code()
        return code


def _is(look: Callable[..., Any], wanted: Any, *given: Any) -> Callable[[], bool]:
    return lambda: bool(look(*given) == wanted)


# Row 8: certificates.


def serial(pem: bytes) -> int:
    return x509.load_pem_x509_certificate(pem).serial_number


def written(folder: Path, authority: trustme.CA) -> int:
    """Files as a mounted secret has them: links into a folder that is a link too, and swapped.

    The new certificate's serial number.
    """
    leaf = authority.issue_cert("gateway.test")
    pems = {"tls.crt": b"".join(pem.bytes() for pem in leaf.cert_chain_pems), "tls.key": leaf.private_key_pem.bytes()}
    data = folder / f"..{serial(pems['tls.crt'])}"
    data.mkdir()
    for name, pem in (pems | {"ca.crt": authority.cert_pem.bytes()}).items():
        (data / name).write_bytes(pem)
        with suppress(FileExistsError):
            (folder / name).symlink_to(Path("..data") / name)
    (folder / "..new").symlink_to(data.name)
    (folder / "..new").rename(folder / "..data")
    return serial(pems["tls.crt"])


class Secured:
    """An upstream over TLS that notes whose certificate each call came with."""

    def __init__(self, authority: trustme.CA) -> None:
        leaf = authority.issue_cert("up.test")
        chain = b"".join(pem.bytes() for pem in leaf.cert_chain_pems)
        self.credentials = grpc.ssl_server_credentials(
            [(leaf.private_key_pem.bytes(), chain)], authority.cert_pem.bytes(), True
        )
        self.last = 0
        self.talking: set[int] = set()

    def one(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        self.last = self._serial(context)
        return request

    def both(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        for request in requests:
            self.talking.add(self._serial(context))
            yield request

    @staticmethod
    def _serial(context: grpc.ServicerContext) -> int:
        auth: Any = context.auth_context()
        return serial(auth["x509_pem_cert"][0])


@contextmanager
def called(process: GatewayProcess, authority: trustme.CA, leaf: trustme.LeafCert) -> Iterator[grpc.Channel]:
    """A connection to `inbound`, with a certificate."""
    chain = b"".join(pem.bytes() for pem in leaf.cert_chain_pems)
    credentials = grpc.ssl_channel_credentials(authority.cert_pem.bytes(), leaf.private_key_pem.bytes(), chain)
    options = (
        *CHANNEL_OPTIONS,
        ("grpc.default_authority", "in.test"),
        ("grpc.ssl_target_name_override", "gateway.test"),
    )
    with grpc.secure_channel(process.listener_address("inbound"), credentials, options) as channel:
        yield channel


def shown(process: GatewayProcess, authority: trustme.CA, leaf: trustme.LeafCert) -> int:
    """The serial number of the certificate that `inbound` shows a new connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["h2"])
    authority.configure_trust(context)
    leaf.configure_cert(context)
    host, _, port = process.listener_address("inbound").rpartition(":")
    with (
        socket.create_connection((host, int(port)), TIMEOUT_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname="gateway.test") as secure,
    ):
        der = secure.getpeercert(binary_form=True)
    assert der is not None
    return x509.load_der_x509_certificate(der).serial_number


@pytest.mark.parametrize("every", ["0", "0.05s"], ids=["by SIGHUP", "by watching"])
def test_a_certificate_changes_under_load_and_no_call_fails(tmp_path: Path, every: str) -> None:
    authority = trustme.CA()
    secured, leaf = Secured(authority), authority.issue_cert("peer.test")
    first = written(tmp_path, authority)
    environ = {
        "RELOAD__EVERY": every,
        "TLS": "{certificate: tls.crt, key: tls.key, ca: ca.crt}",
        "LISTENERS__INBOUND__ADDRESS": "127.0.0.1:0",
    }
    caller = {"peer.test": {"region": "FR", "allow": ["OPERATIONAL"]}}
    with (
        serve_methods(credentials=secured.credentials, One=secured.one, Both=secured.both) as port,
        serve_methods(One=lambda request, context: request) as beside,
        gateway(
            tmp_path,
            policy(
                route("up.test", port, plaintext=False), route("in.test", beside, listener="inbound", callers=caller)
            ),
            **environ,
        ) as process,
        outbound_channel(process, "up.test") as out,
        called(process, authority, leaf) as into,
    ):
        talk = Talk(out)
        assert talk.say(item(op="a")) == item(op="a")
        with (
            calling_repeatedly(lambda: call_through(out, "One", item(op="o")), 2) as outcomes,
            calling_repeatedly(lambda: call_through(into, "One", item(op="i")), 1) as others,
        ):
            for count in range(1, 6):
                new = written(tmp_path, authority)
                if every == "0":
                    process.send_signal(signal.SIGHUP)
                wait_until(_is(reload_count, count, process, "tls"))
                wait_until(_is(getattr, new, secured, "last"))
                assert shown(process, authority, leaf) == new
                assert talk.say(item(op="b")) == item(op="b")
        assert {str(outcome) for outcome in outcomes} == {str([item(op="o")])}
        assert {str(outcome) for outcome in others} == {str([item(op="i")])}
        assert talk.end() is _Code.OK
        assert secured.talking == {first}


# Row 9: the policy.


def _both_fields(request: bytes, context: grpc.ServicerContext) -> bytes:
    """Tells which fields came, and answers with all of them."""
    came = parse_item(request)
    return item(left="l", right="r", op=f"{came.left}{came.right}")


def _conversation(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
    return (_both_fields(request, context) for request in requests)


FULL: Final = item(left="l", right="r")
LEFT: Final = item(left="l", op="l")
RIGHT: Final = item(right="r", op="r")
"""What comes back under a plan that has one field: it is the only one that arrived, and the only one in the answer."""


def test_the_policy_changes_under_load_and_each_call_is_under_one_plan(tmp_path: Path) -> None:
    with serve_methods(One=_both_fields, Both=_conversation) as port:
        left, right = (policy(route("up", port), allow=["OPERATIONAL", kind]) for kind in ("NAME", "PHONE"))
        with (
            # The stream outlasts every change, however slow the machine is.
            gateway(tmp_path, left, RELOAD__GRACE="1h") as process,
            outbound_channel(process, "up") as channel,
        ):
            talk = Talk(channel)
            assert talk.say(FULL) == LEFT
            with calling_repeatedly(lambda: call_through(channel, "One", FULL), 2) as outcomes:
                for count, (text, answer) in enumerate(
                    itertools.islice(itertools.cycle([(right, RIGHT), (left, LEFT)]), 20), 1
                ):
                    (tmp_path / "policy.yaml").write_text(text)
                    process.send_signal(signal.SIGHUP)
                    wait_until(_is(reload_count, count, process))
                    assert call_through(channel, "One", FULL) == [answer]
                    assert talk.say(FULL) == LEFT
            assert {str(outcome) for outcome in outcomes} == {str([LEFT]), str([RIGHT])}
            assert talk.end() is _Code.OK


def test_a_bad_policy_keeps_the_old_one_and_says_so(tmp_path: Path) -> None:
    with (
        serve_methods(One=_both_fields) as port,
        gateway(tmp_path, policy(route("up", port))) as process,
        outbound_channel(process, "up") as channel,
    ):
        good = (tmp_path / "policy.yaml").read_text()
        for text, failed in (("version: [", 1), (good.replace("NAME", "BANKING"), 1), (good, 0)):
            outcome = "failed" if failed else "ok"
            before = reload_count(process, outcome=outcome)
            (tmp_path / "policy.yaml").write_text(text)
            process.send_signal(signal.SIGHUP)
            wait_until(_is(reload_count, before + 1, process, "policy", outcome))
            code, body = fetch_page(process, "/readyz")
            (check,) = [one for one in json.loads(body)["checks"] if one["name"] == "policy"]
            assert (code, check["ok"], check["cause"]) == (200, not failed, "NOT_RELOADED" if failed else "")
            assert bool(check["detail"]) == bool(failed)
            assert ("[-]policy NOT_RELOADED since " in fetch_page(process, "/readyz?verbose")[1]) == bool(failed)
            assert metric_value(process, 'privacy_gateway_reload_failed{subject="policy"}') == failed
            assert call_through(channel, "One", FULL) == [LEFT]


# Row 10: the gateway's end.


def test_a_stop_is_graceful(tmp_path: Path) -> None:
    with (
        serve_methods(One=lambda request, context: request, Both=said) as port,
        gateway(tmp_path, policy(route("up", port)), STOP__GRACE="60s") as process,
    ):
        with outbound_channel(process, "up") as channel, blocking_channel(process.listener_address("health")) as probed:
            health: Any = probed.unary_stream(
                "/grpc.health.v1.Health/Watch", HealthCheckRequest.SerializeToString, HealthCheckResponse.FromString
            )
            watched = health(HealthCheckRequest(), timeout=TIMEOUT_SECONDS)
            assert next(watched).status == HealthCheckResponse.SERVING
            assert fetch_page(process, "/readyz")[0] == 200
            assert [call_through(channel, "One", item(user_id="usr_a")) for _ in range(10)] == [
                [item(user_id="usr_a")]
            ] * 10
            talk = Talk(channel)
            assert talk.say(item(op="a")) == item(op="a")
            process.send_signal(signal.SIGTERM)
            assert next(watched).status == HealthCheckResponse.NOT_SERVING
            code, body = fetch_page(process, "/readyz")
            first, *_ = json.loads(body)["checks"]
            assert (code, first["name"], first["cause"]) == (503, "serving", "STOPPING")
            with outbound_channel(process, "up") as another:
                refused = wait_until(
                    lambda: (
                        outcome if not isinstance(outcome := call_through(another, "One", item(op="b")), list) else None
                    )
                )
            assert refused.code is _Code.UNAVAILABLE
            assert talk.say(item(op="c")) == item(op="c")
            assert talk.end() is _Code.OK
        assert process.wait() == 0
    entries = access_log(process)
    assert [entry.get("userId") for entry in entries if entry["method"] == "t.Echo/One"][:10] == ["usr_a"] * 10
    assert [(entry["bytesIn"], entry.get("code")) for entry in entries if entry["method"] == "t.Echo/Both"] == [
        ("6", None)
    ]


def test_a_stream_that_outlasts_the_grace_is_ended(tmp_path: Path) -> None:
    with (
        serve_methods(Both=said) as port,
        gateway(tmp_path, policy(route("up", port)), STOP__GRACE="0.3s") as process,
        outbound_channel(process, "up") as channel,
    ):
        talk = Talk(channel)
        assert talk.say(item(op="a")) == item(op="a")
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0
        with pytest.raises(grpc.RpcError):
            talk.say(item(op="b"))
        (entry,) = access_log(process)
        assert entry["code"] == _Code.CANCELLED.value[0]


# Row 11: connections that end in time, on either side.


def test_a_connection_to_outbound_ends_by_its_age_and_no_call_fails(tmp_path: Path) -> None:
    aged = {
        f"LISTENERS__OUTBOUND__MAX_CONNECTION_{name}": value for name, value in (("AGE", "0.2s"), ("GRACE", "0.3s"))
    }
    with (
        serve_methods(One=lambda request, context: request, Both=said) as port,
        gateway(tmp_path, policy(route("up", port)), **aged) as process,
        outbound_channel(process, "up") as channel,
    ):
        states: list[grpc.ChannelConnectivity] = []
        channel.subscribe(states.append)
        talk = Talk(channel)
        assert talk.say(item(op="a")) == item(op="a")
        with calling_repeatedly(lambda: call_through(channel, "One", item(op="a")), 2) as outcomes:
            wait_until(lambda: states.count(grpc.ChannelConnectivity.READY) > 3)
        assert {str(outcome) for outcome in outcomes} == {str([item(op="a")])}
        # A stream doesn't outlive its connection's age and grace.
        with pytest.raises(grpc.RpcError):
            wait_until(lambda: talk.say(item(op="b")) != item(op="b"))


SHORT: Final = (("grpc.max_connection_age_ms", 100), ("grpc.max_connection_age_grace_ms", 5000))


def test_an_upstream_that_says_goaway_again_and_again_fails_no_call(tmp_path: Path) -> None:
    peers: set[str] = set()

    def one(request: bytes, context: grpc.ServicerContext) -> bytes:
        peers.add(context.peer())
        return request

    with (
        serve_methods(options=SHORT, One=one) as port,
        gateway(tmp_path, policy(route("up", port))) as process,
        outbound_channel(process, "up") as channel,
    ):
        with calling_repeatedly(lambda: call_through(channel, "One", item(op="a")), 3) as outcomes:
            wait_until(lambda: len(peers) > 10)
        assert {str(outcome) for outcome in outcomes} == {str([item(op="a")])}


@pytest.mark.soak
def test_a_client_that_pings_every_ten_seconds_keeps_its_connection(tmp_path: Path) -> None:
    pinging = (
        ("grpc.keepalive_time_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
    )
    with (
        serve_methods(One=lambda request, context: request) as port,
        gateway(tmp_path, policy(route("up", port))) as process,
        outbound_channel(process, "up", *pinging) as channel,
    ):
        states: list[grpc.ChannelConnectivity] = []
        channel.subscribe(states.append)
        assert call_through(channel, "One", item(op="a")) == [item(op="a")]
        threading.Event().wait(65)
        assert states[-1] is grpc.ChannelConnectivity.READY
        assert states.count(grpc.ChannelConnectivity.READY) == 1
        assert call_through(channel, "One", item(op="b")) == [item(op="b")]
