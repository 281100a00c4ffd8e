"""How a gateway runs: files, the environment over them, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import Config, Delivery, Listeners, Local, load
from gateway.errors import BadConfig

ADDRESS = "PRIVACY_GATEWAY__LISTENERS__LOCAL__ADDRESS"
FORM = "must be host:port, such as 127.0.0.1:4317, or unix:/path"
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
    assert (config.listeners.local.address, config.listeners.local.max_message_bytes) == ("127.0.0.1:4317", 4 * 1024 * 1024)


@pytest.mark.parametrize("text", ["", "# nothing said\n", "{}"])
def test_an_empty_file_says_the_same(text: str, tmp_path: Path) -> None:
    assert load(written(tmp_path, text), {}) == Config()


def test_a_file_is_read_and_its_paths_are_from_its_folder(tmp_path: Path) -> None:
    text = """\
role: all
policy: policy.yaml
contracts: [protos, /opt/contracts/crm.binpb]
state: state
listeners:
  local: {address: "unix:/run/gateway.sock", max_message_bytes: 1048576}
delivery: {max_items: 10, max_bytes: 1000}
"""
    assert load(written(tmp_path, text), {}) == Config(
        policy=tmp_path / "policy.yaml",
        contracts=(tmp_path / "protos", Path("/opt/contracts/crm.binpb")),
        state=tmp_path / "state",
        listeners=Listeners(local=Local(address="unix:/run/gateway.sock", max_message_bytes=1048576)),
        delivery=Delivery(max_items=10, max_bytes=1000),
    )


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("ROLE", "all", Config()),
        ("POLICY", "p.yaml", Config(policy=Path("p.yaml"))),
        ("POLICY", "", Config()),
        ("CONTRACTS", "[a, b]", Config(contracts=(Path("a"), Path("b")))),
        ("STATE", "/var/lib/gateway", Config(state=Path("/var/lib/gateway"))),
        ("LISTENERS__LOCAL__ADDRESS", "localhost:0", Config(listeners=Listeners(local=Local(address="localhost:0")))),
        ("LISTENERS__LOCAL__ADDRESS", "[::1]:4317", Config(listeners=Listeners(local=Local(address="[::1]:4317")))),
        ("LISTENERS__LOCAL__MAX_MESSAGE_BYTES", "2048", Config(listeners=Listeners(local=Local(max_message_bytes=2048)))),
        ("LISTENERS", "{local: {max_message_bytes: 2048}}", Config(listeners=Listeners(local=Local(max_message_bytes=2048)))),
        ("DELIVERY__MAX_ITEMS", "1", Config(delivery=Delivery(max_items=1))),
        ("DELIVERY__MAX_BYTES", "1", Config(delivery=Delivery(max_bytes=1))),
    ],
)
def test_every_key_can_be_overridden(variable: str, value: str, expected: Config) -> None:
    assert load(None, {f"PRIVACY_GATEWAY__{variable}": value}) == expected


def test_the_environment_wins_over_the_file_and_leaves_the_rest(tmp_path: Path) -> None:
    path = written(tmp_path, "listeners: {local: {address: '127.0.0.1:1', max_message_bytes: 2048}}\ndelivery:\n")
    config = load(
        path,
        {ADDRESS: "127.0.0.1:2", "PRIVACY_GATEWAY__DELIVERY__MAX_ITEMS": "3", "HOME": "/root", "PRIVACY_GATEWAY_PORT": "tcp://10.0.0.1:80"},
    )
    assert config.listeners.local == Local(address="127.0.0.1:2", max_message_bytes=2048)
    assert config.delivery.max_items == 3


def test_the_longer_of_two_variables_wins() -> None:
    config = load(
        None, {ADDRESS: "127.0.0.1:2", "PRIVACY_GATEWAY__LISTENERS": "{local: {address: '127.0.0.1:1', max_message_bytes: 2048}}"}
    )
    assert config.listeners.local == Local(address="127.0.0.1:2", max_message_bytes=2048)


@pytest.mark.parametrize("address", ["127.0.0.1:4317", "127.9.9.9:65535", "localhost:0", "[::1]:4317", "unix:/run/gateway.sock"])
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
        ("127.0.0.1:", "must be text"),
        ("127.0.0.1:65536", FORM),
        ("::1:4317", FORM),
        ("[127.0.0.1]:4317", FORM),
        (":4317", FORM),
        ("http://127.0.0.1:4317", FORM),
        ("unix:run/gateway.sock", FORM),
        ("unix:", "must be text"),
        ("4317", "must be text; write it in quotes"),
    ],
)
def test_a_plaintext_listener_elsewhere_is_refused(address: str, expected: str) -> None:
    assert fault(None, **{ADDRESS: address}) == f"{ADDRESS}: listeners.local.address: {expected}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("role: agent", "1: role: this version runs as all only; agent and hub are still to come"),
        ("role: hub", "1: role: this version runs as all only; agent and hub are still to come"),
        ("role: both", "1: role: must be one of all, agent, hub"),
        ("policy: [a]", "1: policy: must be text"),
        ("contracts: a", "1: contracts: must be a list"),
        ("state: 1", "1: state: must be text; write it in quotes"),
        ("listeners:\n  local:\n    address: 0.0.0.0:4317", f"3: listeners.local.address: {PLAINTEXT}"),
        ("listeners:\n  local:\n    max_message_bytes: 4 MiB", "3: listeners.local.max_message_bytes: must be a whole number"),
        ("listeners:\n  local:\n    max_message_bytes: 1", "3: listeners.local.max_message_bytes: must be 1024 or more"),
        ("listeners:\n  outbound: {}", "2: listeners.outbound: is not a key here; known: local"),
        ("listeners:\n  health: {}", "2: listeners.health: is not a key here; known: local"),
        ("outbox: {}", "1: outbox: is not a key here; known: role, policy, contracts, state, listeners, delivery"),
        ("delivery: {max_items: 0}", "1: delivery.max_items: must be positive"),
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
        ("ROLL", "all", "roll: is not a key here; known: role, policy, contracts, state, listeners, delivery; did you mean role?"),
        ("LISTENERS__LOKAL__ADDRESS", "127.0.0.1:1", "listeners.lokal: is not a key here; known: local; did you mean local?"),
        ("LISTENERS__LOCAL__PORT", "1", "listeners.local.port: is not a key here; known: address, max_message_bytes"),
        (
            "LISTENERS__LOCAL",
            "{adress: a}",
            "listeners.local.adress: is not a key here; known: address, max_message_bytes; did you mean address?",
        ),
        ("LISTENERS__LOCAL", "127.0.0.1:1", "listeners.local: must be a mapping of keys to values"),
        ("CONTRACTS", "[a, b", "contracts: must be a list"),
        ("CONTRACTS", "[a, 1]", "contracts[1]: must be text; write it in quotes"),
        ("ROLE", "hub", "role: this version runs as all only; agent and hub are still to come"),
        ("ROLE", "", "role: must be one of all, agent, hub"),
        ("DELIVERY__MAX_ITEMS", "many", "delivery.max_items: must be a whole number"),
    ],
)
def test_an_override_that_does_not_fit_names_its_variable(variable: str, value: str, expected: str) -> None:
    name = f"PRIVACY_GATEWAY__{variable}"
    assert fault(None, **{name: value}) == f"{name}: {expected}"


def test_an_override_below_what_is_no_mapping_leaves_the_error_with_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "listeners: 5")
    assert fault(path, **{ADDRESS: "127.0.0.1:1"}) == f"{path}:1: listeners: must be a mapping of keys to values"


def test_the_policy_cannot_be_overridden() -> None:
    name = "PRIVACY_GATEWAY__POLICY__VERSION"
    assert fault(None, **{name: "2"}) == f"{name}: policy: must be text"


def test_no_configuration_is_an_error_too(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    assert fault(path) == f"{path}: can't be read: No such file or directory"
