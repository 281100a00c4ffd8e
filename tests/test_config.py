"""How a gateway runs: files, the environment over them, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from gateway.config import (
    Config,
    HashSecret,
    Health,
    Http,
    Inbound,
    Listeners,
    Local,
    LocalHttp,
    Outbound,
    Outbox,
    Reload,
    Stop,
    Tls,
    load,
)
from gateway.errors import BadConfig
from gateway.exporters.jsonl.settings import RESERVED_SUFFIX
from gateway.yamlfile.durations import EXPECTED

ADDRESS = "PRIVACY_GATEWAY__LISTENERS__LOCAL__ADDRESS"
FORM = "must be host:port, such as 127.0.0.1:4317, or unix:/path"
GIVE = "must be host:port, such as 127.0.0.1:4317"
SERVICE = "spiffe://kannelle.example/video"
KEYS = (
    "role, policy, contracts, state, hash_secret, service, listeners, tls, outbox, hub, stop, reload, telemetry, reflection, "
    "insecure_loopback"
)
LISTENERS = "local, local_http, outbound, inbound, delivery, health, http"
NAME = "must be a SPIFFE ID, such as spiffe://example.org/video, or a DNS name in lower case"
PLAINTEXT = "must be on loopback or a Unix socket, for it is plaintext"


def written(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def fault(path: Path | None, **environ: str) -> str:
    with pytest.raises(BadConfig) as caught:
        load(path, environ)
    return str(caught.value)


def test_without_a_file_all_is_embedded_and_on_loopback() -> None:
    config = load(None, {})
    assert config == Config()
    assert (config.role, config.policy, config.contracts, config.state) == ("all", None, (), Path(".privacy-gateway"))
    assert config.listeners == Listeners(
        local=Local(address="127.0.0.1:4317", max_message_bytes=4 * 1024 * 1024),
        local_http=LocalHttp(address="127.0.0.1:4318", max_message_bytes=4 * 1024 * 1024),
    )
    assert (config.listeners.outbound, config.listeners.inbound, config.listeners.health, config.listeners.http) == (
        None,
    ) * 4
    assert (config.service, config.tls, config.stop, config.reload) == (
        "",
        None,
        Stop(notice=0.0, grace=10.0),
        Reload(every=2.0),
    )
    assert not config.reflection


@pytest.mark.parametrize("text", ["", "# nothing said\n", "{}"])
def test_an_empty_file_says_the_same(text: str, tmp_path: Path) -> None:
    assert load(written(tmp_path, text), {}) == Config()


def test_a_file_is_read_and_its_paths_are_from_its_folder(tmp_path: Path) -> None:
    text = """\
role: all
policy: policy.yaml
contracts: [protos, /opt/contracts/crm.binpb]
state: state
hash_secret: {file: hashes/secret}
listeners:
  local: {address: "unix:/run/gateway.sock", max_message_bytes: 1048576}
  inbound: {max_calls: 10, max_connection_age: 1min}
tls: {certificate: tls/tls.crt, key: tls/tls.key, ca: /etc/ca.crt}
outbox: {max_bytes: 70000, max_age: 12h, sweep: 5s, margin: 0, remember: 1min}
stop: {notice: 2s, grace: 0.5s}
reload: {every: 0}
reflection: true
"""
    assert load(written(tmp_path, text), {}) == Config(
        policy=tmp_path / "policy.yaml",
        contracts=(tmp_path / "protos", Path("/opt/contracts/crm.binpb")),
        state=tmp_path / "state",
        hash_secret=HashSecret(file=tmp_path / "hashes/secret"),
        listeners=Listeners(
            local=Local(address="unix:/run/gateway.sock", max_message_bytes=1048576),
            inbound=Inbound(max_calls=10, max_connection_age=60.0),
        ),
        tls=Tls(certificate=tmp_path / "tls/tls.crt", key=tmp_path / "tls/tls.key", ca=Path("/etc/ca.crt")),
        outbox=Outbox(max_bytes=70_000, max_age=timedelta(hours=12), sweep=5.0, margin=0, remember=60.0),
        stop=Stop(notice=2.0, grace=0.5),
        reload=Reload(every=0.0),
        reflection=True,
    )


def test_a_listener_is_turned_on_by_its_key(tmp_path: Path) -> None:
    text = "tls: {certificate: a, key: b, ca: c}\nlisteners: {outbound: {}, inbound: {}, health: {}, http: {}}"
    listeners = load(written(tmp_path, text), {"PRIVACY_GATEWAY__SERVICE": SERVICE}).listeners
    assert listeners == Listeners(outbound=Outbound(), inbound=Inbound(), health=Health(), http=Http())
    assert listeners.outbound == Outbound(address="127.0.0.1:14001", max_calls=4096)
    assert listeners.inbound == Inbound(
        address="0.0.0.0:14006", max_calls=4096, max_connection_age=3600.0, max_connection_grace=300.0
    )
    assert (listeners.health, listeners.http) == (Health(address="0.0.0.0:14020"), Http(address="0.0.0.0:14022"))


def test_null_turns_a_listener_off(tmp_path: Path) -> None:
    assert load(written(tmp_path, "listeners: {outbound: null, inbound:, health: ~}"), {}) == Config()
    for text in ("listeners: {local_http: null}", "listeners:\n  local_http:\n", "listeners: {local_http: ~}"):
        assert load(written(tmp_path, text), {}) == Config(listeners=Listeners(local_http=None))


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("ROLE", "all", Config()),
        ("POLICY", "p.yaml", Config(policy=Path("p.yaml"))),
        ("POLICY", "null", Config()),
        ("CONTRACTS", "[a, b]", Config(contracts=(Path("a"), Path("b")))),
        ("STATE", "/var/lib/gateway", Config(state=Path("/var/lib/gateway"))),
        ("LISTENERS__LOCAL__ADDRESS", "localhost:0", Config(listeners=Listeners(local=Local(address="localhost:0")))),
        ("LISTENERS__LOCAL__ADDRESS", "[::1]:4317", Config(listeners=Listeners(local=Local(address="[::1]:4317")))),
        (
            "LISTENERS__LOCAL__MAX_MESSAGE_BYTES",
            "2048",
            Config(listeners=Listeners(local=Local(max_message_bytes=2048))),
        ),
        (
            "LISTENERS",
            "{local: {max_message_bytes: 2048}}",
            Config(listeners=Listeners(local=Local(max_message_bytes=2048))),
        ),
        ("OUTBOX__MAX_BYTES", "70000", Config(outbox=Outbox(max_bytes=70_000))),
        ("OUTBOX__MAX_AGE", "2d", Config(outbox=Outbox(max_age=timedelta(days=2)))),
        ("SERVICE", SERVICE, Config(service=SERVICE)),
        ("LISTENERS__LOCAL_HTTP", "null", Config(listeners=Listeners(local_http=None))),
        (
            "LISTENERS__LOCAL_HTTP__ADDRESS",
            "unix:/run/otlp.sock",
            Config(listeners=Listeners(local_http=LocalHttp(address="unix:/run/otlp.sock"))),
        ),
        (
            "LISTENERS__LOCAL_HTTP__MAX_MESSAGE_BYTES",
            "2048",
            Config(listeners=Listeners(local_http=LocalHttp(max_message_bytes=2048))),
        ),
        ("LISTENERS__HEALTH", "{}", Config(listeners=Listeners(health=Health()))),
        ("LISTENERS__HEALTH__ADDRESS", "[::]:14020", Config(listeners=Listeners(health=Health(address="[::]:14020")))),
        ("LISTENERS__HTTP__ADDRESS", "127.0.0.1:0", Config(listeners=Listeners(http=Http(address="127.0.0.1:0")))),
        ("TLS", "{certificate: a, key: b, ca: c}", Config(tls=Tls(certificate=Path("a"), key=Path("b"), ca=Path("c")))),
        ("STOP__GRACE", "30s", Config(stop=Stop(grace=30.0))),
        ("STOP__NOTICE", "0.5s", Config(stop=Stop(notice=0.5))),
        ("RELOAD__EVERY", "0", Config(reload=Reload(every=0.0))),
        ("REFLECTION", "true", Config(reflection=True)),
    ],
)
def test_every_key_can_be_overridden(variable: str, value: str, expected: Config) -> None:
    assert load(None, {f"PRIVACY_GATEWAY__{variable}": value}) == expected


AGENT: Final = {
    "PRIVACY_GATEWAY__ROLE": "agent",
    "PRIVACY_GATEWAY__HUB__ADDRESS": "hub:14007",
    "PRIVACY_GATEWAY__TLS": "{certificate: a, key: b, ca: c}",
}


@pytest.mark.parametrize(
    ("text", "environ", "outbox"),
    [
        ("", {}, None),
        ("outbox: null", {}, None),
        ("outbox: {}", {}, Outbox()),
        ("outbox: {margin: 0}", {}, Outbox(margin=0)),
        ("", {"PRIVACY_GATEWAY__OUTBOX": "{}"}, Outbox()),
        ("", {"PRIVACY_GATEWAY__OUTBOX__MARGIN": "0"}, Outbox(margin=0)),
        ("outbox: {}", {"PRIVACY_GATEWAY__OUTBOX": "null"}, None),
    ],
)
def test_an_agent_has_an_outbox_only_where_the_configuration_says_so(
    text: str, environ: Mapping[str, str], outbox: Outbox | None, tmp_path: Path
) -> None:
    config = load(written(tmp_path, text), {**AGENT, **environ})
    assert (config.outbox, config.keeps_state) == (outbox, outbox is not None)


def test_the_environment_turns_a_listener_on() -> None:
    environ = {"PRIVACY_GATEWAY__SERVICE": SERVICE, "PRIVACY_GATEWAY__LISTENERS__OUTBOUND__ADDRESS": "127.0.0.1:0"}
    assert load(None, environ).listeners.outbound == Outbound(address="127.0.0.1:0")


def test_the_environment_turns_tls_and_what_needs_it_on() -> None:
    environ = {f"PRIVACY_GATEWAY__TLS__{key.upper()}": f"/tls/{key}" for key in ("certificate", "key", "ca")}
    config = load(None, {**environ, "PRIVACY_GATEWAY__LISTENERS__INBOUND__ADDRESS": "[::]:14006"})
    assert config.tls == Tls(certificate=Path("/tls/certificate"), key=Path("/tls/key"), ca=Path("/tls/ca"))
    assert config.listeners.inbound == Inbound(address="[::]:14006")


def test_the_environment_wins_over_the_file_and_leaves_the_rest(tmp_path: Path) -> None:
    path = written(tmp_path, "listeners: {local: {address: '127.0.0.1:1', max_message_bytes: 2048}}\noutbox:\n")
    config = load(
        path,
        {
            ADDRESS: "127.0.0.1:2",
            "PRIVACY_GATEWAY__OUTBOX__SWEEP": "3s",
            "HOME": "/root",
            "PRIVACY_GATEWAY_PORT": "tcp://10.0.0.1:80",
        },
    )
    assert config.listeners.local == Local(address="127.0.0.1:2", max_message_bytes=2048)
    assert config.outbox == Outbox(sweep=3.0)


def test_the_longer_of_two_variables_wins() -> None:
    config = load(
        None,
        {
            ADDRESS: "127.0.0.1:2",
            "PRIVACY_GATEWAY__LISTENERS": "{local: {address: '127.0.0.1:1', max_message_bytes: 2048}}",
        },
    )
    assert config.listeners.local == Local(address="127.0.0.1:2", max_message_bytes=2048)


@pytest.mark.parametrize(
    "address", ["127.0.0.1:4317", "127.9.9.9:65535", "localhost:0", "[::1]:4317", "unix:/run/gateway.sock"]
)
def test_a_plaintext_listener_is_on_this_machine(address: str) -> None:
    assert load(None, {ADDRESS: address}).listeners.local.address == address


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("0.0.0.0:4317", PLAINTEXT),
        ("10.0.0.1:4317", PLAINTEXT),
        ("[::]:4317", PLAINTEXT),
        ("[::ffff:10.0.0.1]:4317", PLAINTEXT),
        ("gateway.kannelle.svc:4317", PLAINTEXT),
        ("localhost.evil.example:4317", PLAINTEXT),
        ("127.0.0.1", FORM),
        ("127.0.0.1:", GIVE),
        ("127.0.0.1:65536", FORM),
        ("::1:4317", FORM),
        ("[127.0.0.1]:4317", FORM),
        (":4317", FORM),
        ("http://127.0.0.1:4317", FORM),
        ("unix:run/gateway.sock", FORM),
        ("unix:", GIVE),
        ("4317", GIVE),
        ("", FORM),
        ("[a]", GIVE),
    ],
)
def test_a_plaintext_listener_elsewhere_is_refused(address: str, expected: str) -> None:
    assert fault(None, **{ADDRESS: address}) == f"{ADDRESS}: listeners.local.address: {expected}"


@pytest.mark.parametrize(
    ("listener", "address", "expected"),
    [
        ("local_http", "0.0.0.0:4318", PLAINTEXT),
        ("local_http", "gateway.kannelle.svc:4318", PLAINTEXT),
        ("local_http", "unix:run/otlp.sock", FORM),
        ("outbound", "0.0.0.0:14001", PLAINTEXT),
        ("outbound", "video.kannelle.svc:14001", PLAINTEXT),
        ("outbound", "127.0.0.1", FORM),
        ("inbound", "0.0.0.0", FORM),
        ("inbound", "0.0.0.0:65536", FORM),
        ("inbound", "unix:run/gateway.sock", FORM),
        ("health", "https://0.0.0.0:1", FORM),
        ("http", "http://0.0.0.0:14022", FORM.removesuffix(", or unix:/path")),
        ("http", "unix:/run/gateway.sock", FORM.removesuffix(", or unix:/path")),
    ],
)
def test_an_address_must_fit_its_listener(listener: str, address: str, expected: str) -> None:
    name = f"PRIVACY_GATEWAY__LISTENERS__{listener.upper()}__ADDRESS"
    assert f"{name}: listeners.{listener}.address: {expected}" in fault(None, **{name: address}).splitlines()


@pytest.mark.parametrize(
    ("local", "health"),
    [
        ("127.0.0.1:5000", "127.0.0.1:5000"),
        ("127.0.0.1:5000", "127.0.0.1:05000"),
        ("127.0.0.1:5000", "0.0.0.0:5000"),
        ("127.0.0.1:5000", "[::]:5000"),
        ("127.0.0.1:5000", "localhost:5000"),
        ("127.0.0.1:5000", "pod.kannelle.svc:5000"),
        ("localhost:5000", "[::1]:5000"),
        ("[::1]:5000", "[0:0::1]:5000"),
        ("127.0.0.1:5000", "[::ffff:127.0.0.1]:5000"),
        ("127.0.0.1:5000", "[::ffff:0.0.0.0]:5000"),
        ("unix:/run/gateway.sock", "unix:/run/gateway.sock"),
    ],
)
def test_two_listeners_never_share_an_address(local: str, health: str) -> None:
    other = "PRIVACY_GATEWAY__LISTENERS__HEALTH__ADDRESS"
    assert (
        fault(None, **{ADDRESS: local, other: health})
        == f"{other}: listeners.health.address: is taken by listeners.local"
    )


@pytest.mark.parametrize(
    ("local", "health"),
    [
        ("127.0.0.1:5000", "127.0.0.1:5001"),
        ("127.0.0.1:5000", "127.0.0.2:5000"),
        ("127.0.0.1:5000", "[::1]:5000"),
        ("127.0.0.1:0", "127.0.0.1:0"),
        ("127.0.0.1:0", "0.0.0.0:0"),
        ("unix:/run/a.sock", "unix:/run/b.sock"),
        ("unix:/run/a.sock", "0.0.0.0:5000"),
    ],
)
def test_listeners_that_do_not_meet_are_fine(local: str, health: str) -> None:
    assert load(
        None, {ADDRESS: local, "PRIVACY_GATEWAY__LISTENERS__HEALTH__ADDRESS": health}
    ).listeners.health == Health(address=health)


@pytest.mark.parametrize(
    "service", [SERVICE, "spiffe://kannelle.example/ns/a/sa/B_c.d", "video", "video.kannelle.svc", "1.video"]
)
def test_a_service_is_a_spiffe_id_or_a_dns_name(service: str) -> None:
    assert load(None, {"PRIVACY_GATEWAY__SERVICE": service}).service == service


@pytest.mark.parametrize(
    "service",
    [
        "spiffe://kannelle.example",
        "spiffe://kannelle.example/",
        "spiffe://Kannelle.example/video",
        "SPIFFE://kannelle.example/video",
        "spiffe://kannelle.example/a/../b",
        "spiffe://kannelle.example/.",
        "spiffe://kannelle.example//video",
        "spiffe://kannelle.example/video?x",
        "spiffe://kannelle.example/" + "v" * 2048,
        "https://kannelle.example/video",
        "Video.kannelle.svc",
        "*.kannelle.svc",
        "video.kannelle.svc.",
        "video.kannelle.svc:443",
        "-video",
        "v" * 64,
        ".".join("v" * 128),
        "anna@kannelle.example",
    ],
)
def test_a_service_by_any_other_name_is_refused(service: str) -> None:
    name = "PRIVACY_GATEWAY__SERVICE"
    assert fault(None, **{name: f"'{service}'"}) == f"{name}: service: {NAME}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("role: agent", "1: role: an agent needs `hub`, which says where it hands its releases"),
        ("role: hub", "1: role: a hub needs `listeners.delivery`, where agents hand their releases over"),
        ("hub: {address: 'hub:14007'}", "1: hub: is for the role agent"),
        (
            "role: agent\nhub: {address: 'hub:14007'}",
            "2: hub: needs `tls`, with certificate, key and ca, for it is never plaintext",
        ),
        (
            "role: agent\nhub: {address: 'hub'}",
            "2: hub.address: must be host:port, such as privacy-hub.kannelle.svc:14007",
        ),
        (
            "role: hub\nlisteners: {delivery: {}}",
            "2: listeners.delivery: needs `tls`, with certificate, key and ca, for it is never plaintext",
        ),
        ("listeners: {delivery: {}}", "1: listeners.delivery: is for the role hub"),
        (
            "listeners: {delivery: {agents: ['*']}}",
            (
                "1: listeners.delivery.agents[0]: must be a SPIFFE ID, such as spiffe://example.org/video or "
                "spiffe://example.org/apps/*,"
                " or a DNS name in lower case"
            ),
        ),
        ("hash_secret: {}", "1: hash_secret: must say one of env and file"),
        ("hash_secret: {env: A, file: b}", "1: hash_secret: must say one of env and file"),
        ("hash_secret: {env: a-b}", "1: hash_secret.env: must be the name of an environment variable"),
        ("outbox: null", "1: outbox: only an agent can do without"),
        ("role: both", "1: role: must be one of all, agent, hub"),
        ("policy: [a]", "1: policy: must be text"),
        ("contracts: a", "1: contracts: must be a list, such as [a, b]"),
        ("state: 1", "1: state: must be text; write it in quotes"),
        ("listeners:\n  local:\n    address: 0.0.0.0:4317", f"3: listeners.local.address: {PLAINTEXT}"),
        (
            "listeners:\n  local:\n    max_message_bytes: 4 MiB",
            "3: listeners.local.max_message_bytes: must be a whole number",
        ),
        (
            "listeners:\n  local:\n    max_message_bytes: 1",
            "3: listeners.local.max_message_bytes: must be 1024 or more",
        ),
        (
            "listeners:\n  outbound: {}",
            "2: listeners.outbound: needs `service`: a SPIFFE ID or DNS name that says whose calls these are",
        ),
        (
            "listeners:\n  inbound: {}",
            "2: listeners.inbound: needs `tls`, with certificate, key and ca, for it is never plaintext",
        ),
        ("listeners:\n  outbound:\n    max_calls: 0", "3: listeners.outbound.max_calls: must be positive"),
        (
            "listeners:\n  outbound:\n    max_message_bytes: 1",
            "3: listeners.outbound.max_message_bytes: must be 1024 or more",
        ),
        (
            "listeners:\n  inbound:\n    max_connection_age: 0",
            "3: listeners.inbound.max_connection_age: must be positive",
        ),
        (
            "listeners:\n  inbound:\n    max_connection_grace: 1h30",
            f"3: listeners.inbound.max_connection_grace: must be {EXPECTED}",
        ),
        (
            "listeners:\n  local: {}\n  health:\n    address: 0.0.0.0:4317",
            "4: listeners.health.address: is taken by listeners.local",
        ),
        (
            "listeners:\n  local: {address: '127.0.0.1:4318'}",
            "1: listeners.local_http.address: is taken by listeners.local",
        ),
        (
            "listeners:\n  local_http:\n    max_message_bytes: 1",
            "3: listeners.local_http.max_message_bytes: must be 1024 or more",
        ),
        ("listeners:\n  admin: {}", f"2: listeners.admin: is not a key here; known: {LISTENERS}"),
        ("service: A B", f"1: service: {NAME}"),
        ("service:", f"1: service: {NAME}"),
        ("tls:\n  certificate: a\n  key: b", "1: tls.ca: is required"),
        ("tls: {certificate: a, key: b, ca: [c]}", "1: tls.ca: must be text"),
        ("stop:\n  grace: -1s", "2: stop.grace: must be 0 or more"),
        ("stop: {notice: 3601s}", "1: stop.notice: must be 1h or less"),
        ("reload: {every: 2}", "1: reload.every: must be 2s: a number needs its unit"),
        ("outbox: {max_age: 30m}", "1: outbox.max_age: must be 30min or 30mo: m alone is neither"),
        ("reflection: yes", "1: reflection: must be true or false"),
        ("admin: {}", f"1: admin: is not a key here; known: {KEYS}"),
        ("outbox: {max_bytes: 0}", "1: outbox.max_bytes: must be 65536 or more"),
        ("- a", "1: must be a mapping of keys to values"),
        ("role: all\nrole: hub", "2: role: is here twice, first at {path}:1"),
    ],
)
def test_what_is_wrong_is_named_with_its_line_and_key(text: str, expected: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    assert fault(path) == f"{path}:{expected.replace('{path}', str(path))}"


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("ROLL", "all", f"roll: is not a key here; known: {KEYS}; did you mean role?"),
        (
            "LISTENERS__LOKAL__ADDRESS",
            "127.0.0.1:1",
            f"listeners.lokal: is not a key here; known: {LISTENERS}; did you mean local?",
        ),
        ("LISTENERS__LOCAL__PORT", "1", "listeners.local.port: is not a key here; known: address, max_message_bytes"),
        (
            "LISTENERS__LOCAL",
            "{adress: a}",
            "listeners.local.adress: is not a key here; known: address, max_message_bytes; did you mean address?",
        ),
        ("LISTENERS__LOCAL", "127.0.0.1:1", "listeners.local: must be a mapping of keys to values"),
        ("CONTRACTS", "[a, b", "contracts: must be a list, such as [a, b]"),
        ("CONTRACTS", "protos", "contracts: must be a list, such as [a, b]"),
        ("CONTRACTS", "", "contracts: must be a list, such as [a, b]"),
        ("CONTRACTS", "['']", "contracts[0]: must not be empty; leave it out, or write null, for none"),
        ("CONTRACTS", '["a\\0b"]', "contracts[0]: must not hold a NUL"),
        ("POLICY", "", "policy: must not be empty; leave it out, or write null, for none"),
        ("STATE", "", "state: must not be empty; leave it out, or write null, for none"),
        ("STATE", '"a\\0b"', "state: must not hold a NUL"),
        ("TLS", "", "tls: must be a mapping of keys to values"),
        ("TLS", '{certificate: "a\\0b", key: b, ca: c}', "tls.certificate: must not hold a NUL"),
        ("CONTRACTS", "[a, 1]", "contracts[1]: must be text; write it in quotes"),
        ("ROLE", "hub", "role: a hub needs `listeners.delivery`, where agents hand their releases over"),
        ("ROLE", "", "role: must be one of all, agent, hub"),
        ("STOP__GRACE", "10", "stop.grace: must be 10s: a number needs its unit"),
        ("OUTBOX__MAX_AGE", "30m", "outbox.max_age: must be 30min or 30mo: m alone is neither"),
        ("OUTBOX__MAX_BYTES", "many", "outbox.max_bytes: must be a whole number"),
        ("OUTBOX__MAX_BYTES", "9" * 30, "outbox.max_bytes: must be a whole number of at most 9223372036854775807"),
    ],
)
def test_an_override_that_does_not_fit_names_its_variable(variable: str, value: str, expected: str) -> None:
    name = f"PRIVACY_GATEWAY__{variable}"
    assert fault(None, **{name: value}) == f"{name}: {expected}"


@pytest.mark.parametrize(
    ("text", "variable"),
    [
        ("listeners: 5", "LISTENERS__LOCAL__ADDRESS"),
        ("contracts: [protos]", "CONTRACTS__0"),
        ("state: here", "STATE__FOLDER"),
        ("reflection: true", "REFLECTION__ON__TOO"),
    ],
)
def test_an_override_below_what_is_no_mapping_is_refused(text: str, variable: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    name = f"PRIVACY_GATEWAY__{variable}"
    said = f"{name}: {path}:1 gives one value there, which has nothing below it to override"
    assert fault(path, **{name: "127.0.0.1:1"}) == said


def test_an_override_below_another_that_is_no_mapping_is_refused() -> None:
    outer, inner = "PRIVACY_GATEWAY__STATE", "PRIVACY_GATEWAY__STATE__FOLDER"
    said = f"{inner}: {outer} gives one value there, which has nothing below it to override"
    assert fault(None, **{outer: "here", inner: "there"}) == said


def test_the_policy_cannot_be_overridden() -> None:
    name = "PRIVACY_GATEWAY__POLICY__VERSION"
    assert fault(None, **{name: "2"}) == f"{name}: policy: must be text"


def test_no_configuration_is_an_error_too(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    assert fault(path) == f"{path}: can't be read: No such file or directory"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("policy: policy.jsonl\n", "1: policy"),
        ("contracts: [protos, a.jsonl.1]\n", "1: contracts[1]"),
        ("hash_secret: {file: a.jsonl}\n", "1: hash_secret.file"),
        ("tls: {certificate: a, key: b.jsonl.lock, ca: c}\n", "1: tls.key"),
        ("tls: {certificate: /a/B.JSONL, key: b, ca: c}\n", "1: tls.certificate"),
    ],
)
def test_what_is_read_is_not_called_as_what_exporters_write(text: str, place: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    assert fault(path) == f"{path}:{place}: {RESERVED_SUFFIX}"
