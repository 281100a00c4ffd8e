"""What a route can't be: where it leads, who may ask, and what its callers may be told."""

from __future__ import annotations

from typing import Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadPolicy
from gateway.model import Category
from gateway.policy import routes
from gateway.policy.document import Caller, Mode, Policy, Retry, TrafficDirection
from gateway.policy.load import parse
from gateway.yamlfile import Problem
from tests.support.contracts import POLICY

OTHERS: Final = (
    "  de-service: {recipient: service, region: DE, purpose: sales, legal_basis: CONTRACT, allow: [OPERATIONAL], "
    "retention: 1d}\n"
    "  se-service: {recipient: service, region: SE, purpose: sales, legal_basis: CONTRACT, allow: [OPERATIONAL], "
    "retention: 1d}\n"
    "  gated-service: {recipient: service, region: FR, purpose: sales, legal_basis: CONTRACT, allow: [OPERATIONAL], "
    "retention: 1d, gates: [backup]}\n"
)
CEILING: Final = "  DE: [OPERATIONAL, NAME]\n"
BASE: Final = (
    f"{POLICY.replace('  US: [', f'{CEILING}  US: [')}{OTHERS}flows: {{}}\nhosts: {{US: [api.vendor.example]}}\n"
)
FIRST: Final = BASE.count("\n") + 2
"""The line of the first route."""

EDITOR: Final = "spiffe://kannelle.io/ns/video/sa/editor"


DEFAULTS: Final = {"authority": "a.svc", "upstream": "'dns:///a:50051'", "destination": "eu-service"}
"""What a route of a test says unless it says otherwise."""


def routed(*written: str) -> str:
    """The policy with these routes, each the inside of a mapping."""
    return f"{BASE}routes:\n" + "".join(f"  - {{{filled(route)}}}\n" for route in written)


def filled(route: str) -> str:
    return ", ".join(
        [*(f"{key}: {value}" for key, value in DEFAULTS.items() if f"{key}:" not in route), *filter(None, [route])]
    )


def policy(*written: str) -> Policy:
    return parse(routed(*written)).policy


def fault(*written: str) -> str:
    with pytest.raises(BadPolicy) as caught:
        parse(routed(*written))
    return str(caught.value)


def to(*upstream: str) -> list[Problem]:
    """The faults of a route to a list of addresses."""
    held = policy("")
    return list(
        routes.problems(
            msgspec.structs.replace(held, routes=(msgspec.structs.replace(held.routes[0], upstream=upstream),))
        )
    )


def test_a_route_is_read() -> None:
    route = policy(
        "listener: inbound, upstream: 'unix:/run/a.sock', methods: [t.S/Get, t.T/*], plaintext: true, timeout: 2.5s, "
        "wait_for_ready: true, "
        "retry: {max_attempts: 3, codes: [UNAVAILABLE], max_backoff: 2s}, max_message_bytes: 1024, "
        f"callers: {{'{EDITOR}': {{region: FR, allow: [USER_ID], metadata: {{keys: {{x-kind: OPERATIONAL}}}}}}}}"
    ).routes[0]
    assert (route.listener, route.upstream, route.methods, route.mode) == (
        TrafficDirection.INBOUND,
        "unix:/run/a.sock",
        ("t.S/Get", "t.T/*"),
        Mode.ENFORCE,
    )
    assert route.retry == Retry(max_attempts=3, codes=frozenset({"UNAVAILABLE"}), max_backoff=2)
    assert route.callers[EDITOR].region == "FR"
    assert route.callers[EDITOR].allow == {Category.USER_ID}


@pytest.mark.parametrize(
    ("upstream", "expected"),
    [
        ("dns:///directory:50051", ("directory",)),
        ("dns:///directory.kannelle.svc.cluster.local:443", ("directory.kannelle.svc.cluster.local",)),
        ("dns:///10.1.2.3:50051", ("10.1.2.3",)),
        ("dns:///[::1]:50051", ("::1",)),
        ("unix:/run/kannelle/directory.sock", ()),
    ],
)
def test_an_upstream_is_a_name_or_a_socket(upstream: str, expected: tuple[str, ...]) -> None:
    assert routes.hosts(policy(f"upstream: '{upstream}'").routes[0].upstream) == expected


@pytest.mark.parametrize(
    "upstream",
    [
        *(
            "directory:50051",
            "dns:directory:50051",
            "dns://8.8.8.8/directory:50051",
            "dns:///directory",
            "dns:///directory:https",
        ),
        *("dns:///directory:0", "dns:///directory:65536", "dns:///directory:050051", "dns:///:1", "dns:///Directory:1"),
        *(
            "dns:///user:secret@directory:1",
            "dns:///user@directory:1",
            "dns:///directory:1/path",
            "dns:///directory:1?a=b",
        ),
        *(
            "dns:///directory:1#a",
            "dns:///directory:1 ",
            " dns:///directory:1",
            "dns:///a,b:1",
            "dns:///directory.:1",
            "dns:///-a:1",
        ),
        *(
            "dns:///a..b:1",
            "dns:///::1:1",
            "dns:///[::1%25lo]:1",
            "dns:///127.1:1",
            "dns:///2130706433:1",
            "dns:///0x7f000001:1",
        ),
        *(
            "dns:///a.0x7f:1",
            "dns:///0.0.0.0:1",
            "dns:///[::]:1",
            "dns:///224.0.0.1:1",
            "dns:///1.2.3.256:1",
            "dns:///é:1",
        ),
        *(
            "https://directory:1",
            "ipv4:127.0.0.1:1",
            "xds:///directory",
            "passthrough:///a:1",
            "unix-abstract:a",
            "vsock:1:1",
        ),
        *(
            "unix:run/a",
            "unix:///run/a",
            "unix:/",
            "unix:/run/../a",
            "unix:/run/./a",
            "unix:/run//a",
            "unix:/run/a/",
            "unix:/run/%61",
        ),
        *("unix:/run/a b", "unix:/run/a?b", f"unix:/{'a' * 107}"),
        f"dns:///{'.'.join(['a' * 63] * 4)}:1",
    ],
)
def test_an_upstream_is_nothing_else(upstream: str) -> None:
    expected = f"policy.yaml:{FIRST}: routes[0].upstream: must be dns:///host:port, unix:/path or a list of ip:port"
    assert fault(f"upstream: '{upstream}'") == expected


@pytest.mark.parametrize(
    "upstream", [["10.0.0.1:1"], ["10.0.0.1:1", "10.0.0.1:2", "10.0.0.2:1"], ["[2001:db8::1]:1", "[::1]:1"]]
)
def test_an_upstream_may_be_a_list_of_addresses(upstream: list[str]) -> None:
    assert policy(f"upstream: {upstream}").routes[0].upstream == tuple(upstream)


def test_an_address_that_is_none_is_named_with_its_index() -> None:
    text = fault("upstream: ['10.0.0.1:1', 'directory:1']")
    assert text == f"policy.yaml:{FIRST}: routes[0].upstream[1]: must be ip:port, an IPv6 address in brackets"


@pytest.mark.parametrize(
    ("upstream", "expected"),
    [
        ([], [((), "must list an address")]),
        (["10.0.0.1:1", "10.0.0.1:1"], [((1,), "is in the list twice")]),
        (["10.0.0.1:1", "[::1]:1"], [((1,), "must be of the same IP version as the first")]),
        *(
            ([address], [((0,), "must be ip:port, an IPv6 address in brackets")])
            for address in (
                *(
                    "directory:1",
                    "dns:///10.0.0.1:1",
                    "10.0.0.1",
                    "10.0.0.1:",
                    "10.0.0.1:0",
                    "10.0.0.1:70000",
                    "::1:1",
                    "[10.0.0.1]:1",
                ),
                *("[::1%lo]:1", "u@10.0.0.1:1", "010.0.0.1:1", "127.1:1", "0.0.0.0:1", "[ff02::1]:1", "unix:/a", ""),
            )
        ),
    ],
)
def test_a_list_has_addresses_only(upstream: list[str], expected: list[tuple[tuple[int, ...], str]]) -> None:
    assert to(*upstream) == [(("routes", 0, "upstream", *keys), text) for keys, text in expected]


@pytest.mark.parametrize("upstream", ["unix:/run/a.sock", "dns:///localhost:1", "dns:///127.9.9.9:1", "dns:///[::1]:1"])
def test_what_stays_on_the_machine_may_be_plaintext(upstream: str) -> None:
    assert policy(f"upstream: '{upstream}', plaintext: true").routes[0].plaintext


@pytest.mark.parametrize(
    "upstream", ["dns:///a:1", "dns:///10.0.0.1:1", "dns:///localhost.example:1", "dns:///[::ffff:a00:1]:1"]
)
def test_what_leaves_the_machine_is_encrypted(upstream: str) -> None:
    expected = f"policy.yaml:{FIRST}: routes[0].plaintext: must be false, for the upstream is not on this machine"
    assert fault(f"upstream: '{upstream}', plaintext: true") == expected


def test_of_a_plaintext_list_every_address_is_on_the_machine() -> None:
    held = policy("upstream: 'unix:/a', plaintext: true")
    for upstream, sound in ((("127.0.0.1:1", "127.0.0.2:1"), True), (("127.0.0.1:1", "10.0.0.1:1"), False)):
        route = msgspec.structs.replace(held.routes[0], upstream=upstream)
        assert (not list(routes.problems(msgspec.structs.replace(held, routes=(route,))))) is sound


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        ("authority: A.svc", "authority: must be a host name in lower case, with a port or without"),
        ("authority: 'http://a'", "authority: must be a host name in lower case, with a port or without"),
        ("destination: eu-serbice", "destination: is no destination; must be one of "),
        ("methods: [Get]", "methods[0]: must be pkg.Service/Method or pkg.Service/*"),
        ("methods: [t.S/*, /t.S/Get]", "methods[1]: must be pkg.Service/Method or pkg.Service/*"),
        ("methods: [t.S/Get, t.S/Get]", "methods[1]: is in the list twice"),
        ("retry: {max_attempts: 2, codes: []}", "retry.codes: must name a code"),
        ("retry: {max_attempts: 2, codes: [OK]}", "retry.codes[0]: must be one of CANCELLED, "),
        ("retry: {max_attempts: 6, codes: [UNAVAILABLE]}", "retry.max_attempts: must be 5 or less"),
        (
            "retry: {max_attempts: 2, codes: [UNAVAILABLE], initial_backoff: 2s}",
            "retry.initial_backoff: must be max_backoff or less",
        ),
        ("max_message_bytes: 1023", "max_message_bytes: must be 1024 or more"),
        (
            "retry: {max_attempts: 2, codes: [UNAVAILABLE], initial_backoff: 0.00001s}",
            "retry.initial_backoff: must be 0.001s or more",
        ),
        ("timeout: 0", "timeout: must be 0.001s or more"),
    ],
)
def test_a_route_holds_together(route: str, expected: str) -> None:
    assert fault(route).startswith(f"policy.yaml:{FIRST}: routes[0].{expected}")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("", ""),
        ("", "upstream: 'unix:/b', destination: us-service"),
        ("methods: [t.S/Get]", "methods: [t.S/List, t.S/Get]"),
        ("methods: [t.S/*]", "methods: [t.S/*]"),
        ("listener: inbound", "listener: inbound"),
    ],
)
def test_a_call_has_one_route(first: str, second: str) -> None:
    assert fault(first, second) == f"policy.yaml:{FIRST + 1}: routes[1].authority: has a route for the same calls above"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("listener: inbound", ""),
        ("authority: 'a.svc:1'", ""),
        ("methods: [t.S/Get]", ""),
        ("methods: [t.S/*]", "methods: [t.S/Get]"),
    ],
)
def test_calls_that_differ_have_routes_of_their_own(first: str, second: str) -> None:
    assert len(policy(first, second).routes) == 2


LONG: Final = f"spiffe://{'a' * 255}/{'b' * 200}"


@pytest.mark.parametrize(
    "name",
    [
        *(EDITOR, "spiffe://a/b", "spiffe://a-b.c_d/E.f-G_1/...", "spiffe://10.0.0.1/a", LONG),
        *("editor", "editor.kannelle.svc", "a-1.b"),
    ],
)
def test_a_caller_is_known_by_a_spiffe_id_or_a_dns_name(name: str) -> None:
    assert list(policy(f"callers: {{'{name}': {{region: FR, allow: []}}}}").routes[0].callers) == [name]


@pytest.mark.parametrize(
    "name",
    [
        *(
            "spiffe://kannelle.io",
            "spiffe://kannelle.io/",
            "spiffe://kannelle.io/a/",
            "spiffe://kannelle.io//a",
            "spiffe:///a",
        ),
        *("spiffe://Kannelle.io/a", "SPIFFE://kannelle.io/a", "spiffe://kannelle.io:1/a", "spiffe://u@kannelle.io/a"),
        *(
            "spiffe://kannelle.io/a?b",
            "spiffe://kannelle.io/a#b",
            "spiffe://kannelle.io/%61",
            "spiffe://kannelle.io/./a",
        ),
        *(
            "spiffe://kannelle.io/..",
            "spiffe://kannelle.io/a b",
            "spiffe://kannelle.io/é",
            f"spiffe://{'a' * 256}/b",
            "https://kannelle.io/a",
        ),
        *(
            "Editor",
            "*.kannelle.svc",
            "editor.",
            "editor:1",
            "a_b",
            "10.0.0.1",
            "::1",
            "anna@kannelle.io",
            "*",
            "-a",
            "a" * 64,
        ),
    ],
)
def test_a_caller_is_known_by_nothing_else(name: str) -> None:
    text = fault(f"callers: {{'{name}': {{region: FR, allow: []}}}}")
    expected = "must be a SPIFFE ID such as spiffe://kannelle.io/ns/video/sa/editor, or a DNS name in lower case"
    assert text == f"policy.yaml:{FIRST}: routes[0].callers.{name}: {expected}"


@pytest.mark.parametrize(
    ("name", "region", "allow", "expected"),
    [
        ("a", "FR", "NAME", ""),
        ("a", "US", "USER_ID, OPERATIONAL", ""),
        ("a", "JP", "OPERATIONAL", ""),
        ("a", "FR", "AGE", "no destination may ever receive it"),
        ("a", "FR", "UNSPECIFIED", "what is not classified goes nowhere"),
        ("a", "FR", "COOKIE", "is above the ceiling of FR"),
        ("a", "US", "NAME", "never leaves the EU"),
        ("a", "US", "FREE_TEXT", "never leaves the EU"),
        ("a", "JP", "USER_ID", "may leave the EU for the US only"),
        ("a", "SE", "NAME", "personal data stays in BE, FR or IE, or DE for the CRM"),
        ("a", "DE", "NAME", "in DE only the destination crm may receive personal data"),
        ("crm.a", "DE", "NAME", ""),
        ("a.crm", "DE", "NAME", "in DE only the destination crm may receive personal data"),
        ("spiffe://kannelle.io/ns/sales/sa/crm", "DE", "NAME", ""),
        ("spiffe://kannelle.io/crm/editor", "DE", "NAME", "in DE only the destination crm may receive personal data"),
        ("crm", "DE", "PHONE", "is above the ceiling of DE"),
    ],
)
def test_a_caller_may_be_told_what_a_destination_there_may_receive(
    name: str, region: str, allow: str, expected: str
) -> None:
    route = f"callers: {{'{name}': {{region: {region}, allow: [{allow}]}}}}"
    if not expected:
        assert policy(route).routes[0].callers[name].region == region
    else:
        assert fault(route) == f"policy.yaml:{FIRST}: routes[0].callers.{name}.allow.{allow}: {expected}"


def test_a_caller_is_in_one_region() -> None:
    there, elsewhere = (f"callers: {{a: {{region: {region}, allow: []}}}}" for region in ("FR", "US"))
    assert (
        fault(there, f"authority: b.svc, {elsewhere}")
        == f"policy.yaml:{FIRST + 1}: routes[1].callers.a.region: is FR in a route above"
    )
    assert len(policy(there, f"authority: b.svc, {there}").routes) == 2


@pytest.mark.parametrize(
    ("route", "place"),
    [
        (
            "callers: {a: {region: FR, allow: [], metadata: {keys: {te: OPERATIONAL}}}}",
            f"{FIRST}: routes[0].callers.a.metadata.keys.te: ",
        )
    ],
)
def test_a_callers_metadata_is_looked_at(route: str, place: str) -> None:
    assert fault(route).startswith(f"policy.yaml:{place}")


def test_a_destinations_metadata_is_looked_at() -> None:
    text = BASE.replace("  jp-service: {", "  jp-service: {metadata: {keys: {x-user: USER_ID}}, ")
    with pytest.raises(BadPolicy, match=r"policy\.yaml:\d+: destinations\.jp-service\.metadata\.keys\.x-user: "):
        parse(text)


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        ("destination: eu-service", ""),
        ("destination: se-service", ""),
        ("destination: eu-service, callers: {a: {region: FR, allow: []}, b: {region: SE, allow: []}}", ""),
        ("destination: eu-log", "eu-log is a log, and only a service's calls may be in shadow"),
        ("destination: eu-store", "eu-store is a store, and only a service's calls may be in shadow"),
        ("destination: gated-service", "gated-service asks for backup, and in shadow all passes"),
        ("destination: us-service", "us-service is outside the EU"),
        ("destination: jp-service", "jp-service is outside the EU"),
        ("callers: {a: {region: FR, allow: []}, b: {region: US, allow: []}}", "a caller is outside the EU"),
    ],
)
def test_in_shadow_are_services_inside_the_eu_only(route: str, expected: str) -> None:
    if not expected:
        assert policy(f"{route}, mode: shadow").routes[0].mode is Mode.SHADOW
    else:
        assert fault(f"{route}, mode: shadow") == f"policy.yaml:{FIRST}: routes[0].mode: must be enforce: {expected}"


@pytest.mark.parametrize(
    ("route", "sound"),
    [
        ("destination: us-vendor, upstream: 'dns:///api.vendor.example:443'", True),
        ("destination: us-vendor, upstream: 'dns:///127.0.0.1:443'", True),
        ("destination: us-vendor, upstream: 'unix:/run/a'", True),
        ("destination: us-vendor, upstream: 'dns:///a.vendor.example:443'", False),
        ("destination: us-vendor, upstream: 'dns:///10.0.0.1:443'", False),
    ],
)
def test_a_vendors_host_is_in_its_region(route: str, sound: bool) -> None:
    if sound:
        assert policy(route).routes
    else:
        expected = "its host must be listed under hosts.US, for us-vendor is a vendor"
        assert fault(route) == f"policy.yaml:{FIRST}: routes[0].upstream: {expected}"


@given(
    st.text(max_size=40) | st.from_regex(r"(dns:///|unix:/)[a-z0-9.:\[\]/%@-]{0,30}", fullmatch=True),
    st.text(max_size=40),
)
def test_whatever_is_written_has_faults_or_none(upstream: str, caller: str) -> None:
    """And no fault repeats it."""
    held = policy("")
    route = msgspec.structs.replace(
        held.routes[0], upstream=upstream, callers={caller: Caller(region="FR", allow=frozenset())}
    )
    texts = [text for _, text in routes.problems(msgspec.structs.replace(held, routes=(route,)))]
    assert not any(len(given) > 20 and given in text for text in texts for given in (upstream, caller))


@given(st.integers(0, 2**32 - 1), st.integers(1, 65535))
def test_an_address_is_on_this_machine_or_encrypted(number: int, port: int) -> None:
    address = ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))
    held = policy("")
    route = msgspec.structs.replace(held.routes[0], upstream=(f"{address}:{port}",), plaintext=True)
    if not list(routes.problems(msgspec.structs.replace(held, routes=(route,)))):
        assert number >> 24 == 127
