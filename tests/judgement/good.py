"""What is no personal data where it stands, made at random as systems make it. Seeded, so that each run sees the same."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from string import ascii_letters, digits
from typing import Any, Final
from uuid import UUID

import msgspec
import phonenumbers
from phonenumbers import PhoneNumberFormat
from stdnum import luhn

from tests.judgement.bad import phone_number
from tests.judgement.deciding import EXEMPT, POLICY

Make = Callable[[Random], "str | int"]

PHONE_REGIONS: Final = ("FR", "IE", "BE", "DE", "GB", "US", "CH", "ES", "IT", "NL")


class Good(msgspec.Struct, frozen=True):
    """A kind: where its values stand, and what makes one. `key`: an attribute's, under Kannelle's policy; `field`: one of `Judged`,
    at a destination of a policy."""

    make: Make
    key: str = ""
    field: str = ""
    destination: str = "store"
    policy: str = POLICY


# By Kubernetes' own rules: https://github.com/kubernetes/apimachinery, util/rand.
_SAFE: Final = "bcdfghjklmnpqrstvwxz2456789"
_HEX: Final = "0123456789abcdef"
_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_BASE62: Final = digits + ascii_letters[26:] + ascii_letters[:26]

_UNITS: Final = {"s": 1, "ms": 10**3, "µs": 10**6, "ns": 10**9}
_WORDS: Final = (
    "editor video exporter render api gateway auth billing media queue worker web player search sync notify h264 s3 v2 k8s".split()
)
_REGIONS: Final = "eu-west-1 eu-west-3 eu-central-1 eu-north-1 us-east-2".split()
_EPOCH: Final = datetime(2015, 1, 1, tzinfo=UTC)
_LAST_SECOND: Final = int((datetime(2032, 1, 1, tzinfo=UTC) - _EPOCH).total_seconds())


def _text(alphabet: str, size: int, random: Random) -> str:
    return "".join(random.choices(alphabet, k=size))


def _name(random: Random) -> str:
    return "-".join(random.choices(_WORDS, k=random.randint(1, 3))).lstrip("0123456789-") or "editor"


def pod(random: Random) -> str:
    """The name of a pod of a deployment, a stateful set, a daemon set, a job or a cron job."""
    suffix, name = _text(_SAFE, 5, random), _name(random)
    template = "".join(_SAFE[ord(char) % len(_SAFE)] for char in str(random.getrandbits(32)))
    minutes = random.randint(26_000_000, 31_000_000)
    return random.choice(
        (*(f"{name}-{template}-{suffix}",) * 5, f"{name}-{random.randint(0, 99)}", f"{name}-{suffix}", f"{name}-{minutes}-{suffix}")
    )


def host(random: Random) -> str:
    """The name of a pod of a deployment or a stateful set, as its host name."""
    template = "".join(_SAFE[ord(char) % len(_SAFE)] for char in str(random.randint(10**7, 2**32 - 1)))
    return random.choice((f"{_name(random)[:40]}-{template}-{_text(_SAFE, 5, random)}", f"editor-{random.randint(0, 99)}"))


def node(random: Random) -> str:
    """The name of a node of EKS, GKE or AKS, or of an instance."""
    private = random.choice(("10-{}-{}-{}", "172-{}-{}-{}", "192-168-{}-{}"))
    address = private.format(random.randint(16, 31), random.randint(0, 255), random.randint(0, 255))
    return random.choice(
        (
            f"ip-{address}.{random.choice(_REGIONS)}.compute.internal",
            f"ip-{address}.ec2.internal",
            f"i-0{_text(_HEX, 16, random)}",
            f"gke-{_name(random)[:12]}-pool-{random.randint(1, 3)}-{_text(_HEX, 8, random)}-{_text(_SAFE, 4, random)}",
            f"aks-nodepool{random.randint(1, 9)}-{random.randint(10**7, 10**8 - 1)}-vmss00000{_text(_HEX, 1, random)}",
            f"worker-{random.randint(1, 99)}.fr-par.internal",
        )
    )


def image(random: Random) -> str:
    """The name of an image in ECR, Artifact Registry, ACR or GHCR, at times with its digest."""
    path = f"kannelle/{_name(random)}"
    registry = random.choice(
        (
            *(f"{_text(digits, 12, random)}.dkr.ecr.{random.choice(_REGIONS)}.amazonaws.com",) * 3,
            "europe-west9-docker.pkg.dev/kannelle-prod",
            "kannelle.azurecr.io",
            "ghcr.io",
        )
    )
    return f"{registry}/{path}" + random.choice(("", "", f"@sha256:{_text(_HEX, 64, random)}"))


def version(random: Random) -> str:
    """A version: SemVer with and without a build, Java's, Debian's, Go's, a calendar's, of four parts."""
    part = partial(random.randint, 0)
    three = f"{part(30)}.{part(40)}.{part(60)}"
    day = _moment(random)
    return random.choice(
        (
            three,
            f"v{three}",
            f"{three}-rc.{part(9)}",
            f"{three}+{_text(_HEX, 7, random)}",
            f"{part(30)}.{part(0)}.{part(20)}+{part(12)}",
            f"{part(30)}.0.{part(20)}+{part(12)}-Debian-{part(3)}deb{random.randint(10, 13)}u{part(3)}",
            f"{part(30)}.{part(30)}.{part(60)}.{part(9)}",
            f"{day:%y.%m.%d}.{part(9)}",
            f"{day:%Y.%m.%d}",
            f"go1.{random.randint(18, 27)}.{part(12)}",
            f"5.{part(19)}.0-{part(120)}-generic",
            f"{random.randint(100, 150)}.0.{random.randint(1000, 9999)}.{part(250)}",
            f"v0.0.0-{day:%Y%m%d%H%M%S}-{_text(_HEX, 12, random)}",
            f"{three}-alpha+{day:%Y%m%d%H%M%S}",
        )
    )


def uuid(version: int, random: Random) -> str:
    """A UUID of version 1, 4 or 7 (RFC 9562)."""
    ms = int(_moment(random).timestamp() * 1000)
    bits = random.getrandbits(128)
    if version == 7:
        bits = ms << 80 | bits & (1 << 80) - 1
    bits = bits & ~(0xF << 76) & ~(0x3 << 62) | version << 76 | 0x2 << 62
    return str(UUID(int=bits))


def ulid(random: Random) -> str:
    """A ULID: milliseconds and 80 random bits in Crockford's base32."""
    value = int(_moment(random).timestamp() * 1000) << 80 | random.getrandbits(80)
    return _base(value, _CROCKFORD, 26)


def ksuid(random: Random) -> str:
    """A KSUID: seconds since 2014 and 128 random bits in base62."""
    value = (int(_moment(random).timestamp()) - 1_400_000_000) << 128 | random.getrandbits(128)
    return _base(value, _BASE62, 27)


def _base(value: int, alphabet: str, size: int) -> str:
    made = ""
    for _ in range(size):
        value, digit = divmod(value, len(alphabet))
        made = alphabet[digit] + made
    return made


def hexadecimal(size: int, random: Random) -> str:
    """That many hexadecimal digits: a trace's identifier, a commit, a digest."""
    return _text(_HEX, size, random)


def prefixed(prefix: str, size: int, random: Random) -> str:
    """An identifier of digits behind a prefix."""
    return prefix + _text(digits, size, random)


def user_id(random: Random) -> str:
    """A user's identifier of one to nineteen digits."""
    return prefixed("usr_", random.randint(1, 19), random)


def epoch(unit: int, random: Random) -> int:
    """A time since 1970 in units of a second's fraction."""
    return int(_moment(random).timestamp()) * unit + random.randrange(unit)


def epoch_text(unit: int, random: Random) -> str:
    """The same as text."""
    return str(epoch(unit, random))


def offset(random: Random) -> int:
    """An offset in a log of messages, of any order of magnitude up to a million millions."""
    return int(10 ** random.uniform(0, 12))


def size(random: Random) -> int:
    """A number of bytes, up to five thousand millions."""
    return int(10 ** random.uniform(0, 9.69))


def company_number(random: Random) -> str:
    """A SIREN or SIRET number, plain or in its usual groups."""
    number = _siren(random)
    if random.random() < 0.7:
        number += _text(digits, 4, random)
        number += luhn.calc_check_digit(number)
    groups = " ".join((number[:3], number[3:6], number[6:9], number[9:])).strip()
    return random.choice((number, groups))


def _siren(random: Random) -> str:
    number = _text(digits, 8, random)
    check: str = luhn.calc_check_digit(number)
    return number + check


def vat_number(random: Random) -> str:
    """A French VAT number, plain or in its usual groups, or one as other countries of the EU have them."""
    number = _siren(random)
    french = f"{(12 + 3 * (int(number) % 97)) % 97:02d}{number}"
    return random.choice(
        (
            f"FR{french}",
            f"FR {french[:2]} {french[2:5]} {french[5:8]} {french[8:]}",
            f"DE{_text(digits, 9, random)}",
            f"BE0{_text(digits, 9, random)}",
            f"IE{_text(digits, 7, random)}{random.choice(ascii_letters[26:])}",
            f"ESB{_text(digits, 8, random)}",
            f"IT{_text(digits, 11, random)}",
            f"NL{_text(digits, 9, random)}B{_text(digits, 2, random)}",
        )
    )


def phone(random: Random) -> str:
    """A valid phone number of one of ten countries: E.164, international or national format."""
    layout = random.choice((PhoneNumberFormat.E164, PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.NATIONAL))
    return phonenumbers.format_number(phone_number(random.choice(PHONE_REGIONS), random), layout)


def project(random: Random) -> str:
    """A project's document: scenes with positions, colours, times and what users wrote in them."""
    scene: Callable[[], dict[str, Any]] = lambda: {  # noqa: E731 - a template
        "id": str(UUID(int=random.getrandbits(128), version=4)),
        "position": [round(random.uniform(0, 90), 4), round(random.uniform(0, 90), 4)],
        "frame": [random.randint(0, 10**10), random.randint(0, 10**10)],
        "fill": f"#{_text(_HEX, 6, random)}",
        "text": random.choice(
            ("Call +33 6 12 34 56 78", "ada@acme.example", "FR7630006000011234567890189", "Bonjour", "4111 1111 1111 1111")
        ),
        "asset": b64encode(random.randbytes(12)).decode(),
    }
    return json.dumps({"version": 3, "scenes": [scene() for _ in range(random.randint(1, 4))]}, indent=random.choice((None, 2)))


def drawing(random: Random) -> str:
    """An SVG drawing: paths full of pairs of numbers."""
    points = " ".join(f"{random.uniform(0, 90):.4f},{random.uniform(0, 90):.4f}" for _ in range(random.randint(3, 30)))
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 90 90"><path d="M {points} z"/><text>48.8566, 2.3522</text></svg>'


def _moment(random: Random) -> datetime:
    return _EPOCH + timedelta(seconds=random.randrange(_LAST_SECOND))


KINDS: Final[Mapping[str, Good]] = {
    "pod": Good(pod, key="k8s.pod.name"),
    "pod as host": Good(host, key="host.name"),
    "node": Good(node, key="k8s.node.name"),
    "image": Good(image, key="container.image.name"),
    "version of a service": Good(version, key="service.version"),
    "version of a runtime": Good(version, key="process.runtime.version"),
    "version as a tag": Good(version, key="container.image.tags"),
    "version of a system": Good(version, key="os.version"),
    "UUID 1": Good(partial(uuid, 1), key="k8s.pod.uid"),
    "UUID 4": Good(partial(uuid, 4), key="service.instance.id"),
    "UUID 7": Good(partial(uuid, 7), key="messaging.message.id"),
    "UUID as a token": Good(partial(uuid, 4), field="operational"),
    "ULID": Good(ulid, key="log.record.uid"),
    "ULID as a token": Good(ulid, field="operational"),
    "KSUID": Good(ksuid, key="messaging.message.id"),
    "KSUID as a token": Good(ksuid, field="operational"),
    "trace ID": Good(partial(hexadecimal, 32), key="messaging.message.id"),
    "short commit": Good(partial(hexadecimal, 7), key="service.version"),
    "commit": Good(partial(hexadecimal, 40), key="service.version"),
    "digest": Good(partial(hexadecimal, 64), key="container.id"),
    "video ID": Good(partial(prefixed, "vid_", 10), key="kannelle.video.id"),
    "order ID": Good(partial(prefixed, "ord_", 10), field="order_id", policy=EXEMPT),
    "user ID": Good(user_id, field="user_id", policy=EXEMPT),
    "user ID outside the EU": Good(user_id, field="user_id", destination="vendor", policy=EXEMPT),
    **{f"time in {name}": Good(partial(epoch, unit), field="number") for name, unit in _UNITS.items()},
    **{f"time in {name} as text": Good(partial(epoch_text, unit), field="operational") for name, unit in _UNITS.items()},
    "offset": Good(offset, key="messaging.kafka.offset"),
    "size of a body": Good(size, key="http.response.body.size"),
    "size of a message": Good(size, key="messaging.message.body.size"),
    "company number": Good(company_number, field="organisation", destination="crm"),
    "VAT number": Good(vat_number, field="organisation", destination="crm"),
    "company number in a payment": Good(company_number, field="payment"),
    "phone": Good(phone, field="phone", destination="crm"),
    "project": Good(project, field="content"),
    "drawing": Good(drawing, field="content"),
}  # fmt: skip


def values(kind: str, count: int) -> Iterator[str | int]:
    """Yield `count` values of a kind, the same in each run."""
    random = Random(f"good {kind}")
    return (KINDS[kind].make(random) for _ in range(count))
