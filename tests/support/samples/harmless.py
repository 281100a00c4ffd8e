"""What is no personal data where it stands, made at random as systems make it.

Seeded, so that each run sees the same.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from random import Random
from string import ascii_letters, digits
from typing import Any, Final
from uuid import UUID

import msgspec
import phonenumbers
from phonenumbers import PhoneNumberFormat
from stdnum import luhn

from tests.support.decisions import EXEMPTING_POLICY, POLICY
from tests.support.samples.identifiers import (
    HEX,
    byte_range,
    cloud_resource,
    container,
    gtid,
    hexadecimal,
    host,
    image,
    job,
    job_pod,
    ksuid,
    moment,
    nano_id,
    node,
    object_id,
    pod,
    prefixed,
    snowflake,
    subject,
    ulid,
    user_id,
    uuid,
    version,
)
from tests.support.samples.personal import MAX_PHONE_DIGITS, phone_number
from tests.support.samples.value import random_chars

Make = Callable[[Random], "str | int"]

PHONE_REGIONS_OF_ANY_FORMAT: Final = ("FR", "IE", "BE", "DE", "GB", "US", "CH", "ES", "IT", "NL")


class HarmlessKind(msgspec.Struct, frozen=True):
    """A kind: where its values stand, and what makes one.

    `key`: an attribute's, under Kannelle's policy; `field`: one of `Judged`, at a destination of a policy.
    """

    make: Make
    key: str = ""
    field: str = ""
    destination: str = "store"
    policy: str = POLICY


_UNITS: Final = {"s": 1, "ms": 10**3, "µs": 10**6, "ns": 10**9}


def epoch(unit: int, random: Random) -> int:
    """A time since 1970 in units of a second's fraction."""
    return int(moment(random).timestamp()) * unit + random.randrange(unit)


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
        number += random_chars(digits, 4, random)
        number += luhn.calc_check_digit(number)
    groups = " ".join((number[:3], number[3:6], number[6:9], number[9:])).strip()
    return random.choice((number, groups))


def _siren(random: Random) -> str:
    number = random_chars(digits, 8, random)
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
            f"DE{random_chars(digits, 9, random)}",
            f"BE0{random_chars(digits, 9, random)}",
            f"IE{random_chars(digits, 7, random)}{random.choice(ascii_letters[26:])}",
            f"ESB{random_chars(digits, 8, random)}",
            f"IT{random_chars(digits, 11, random)}",
            f"NL{random_chars(digits, 9, random)}B{random_chars(digits, 2, random)}",
        )
    )


def phone(random: Random) -> str:
    """A valid phone number of one of ten countries, of fifteen digits at most.

    E.164, international or national format.
    """
    layout = random.choice((PhoneNumberFormat.E164, PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.NATIONAL))
    region = random.choice(PHONE_REGIONS_OF_ANY_FORMAT)
    number = phone_number(region, random)
    while len(f"{number.country_code}{number.national_number}") > MAX_PHONE_DIGITS:
        number = phone_number(region, random)
    return phonenumbers.format_number(number, layout)


def project(random: Random) -> str:
    """A project's document: scenes with positions, colours, times and what users wrote in them."""
    scene: Callable[[], dict[str, Any]] = lambda: {  # noqa: E731 - a template
        "id": str(UUID(int=random.getrandbits(128), version=4)),
        "position": [round(random.uniform(0, 90), 4), round(random.uniform(0, 90), 4)],
        "frame": [random.randint(0, 10**10), random.randint(0, 10**10)],
        "fill": f"#{random_chars(HEX, 6, random)}",
        "text": random.choice(
            (
                "Call +33 6 12 34 56 78",
                "ada@acme.example",
                "FR7630006000011234567890189",
                "Bonjour",
                "4111 1111 1111 1111",
            )
        ),
        "asset": b64encode(random.randbytes(12)).decode(),
    }
    return json.dumps(
        {"version": 3, "scenes": [scene() for _ in range(random.randint(1, 4))]}, indent=random.choice((None, 2))
    )


def drawing(random: Random) -> str:
    """An SVG drawing: paths full of pairs of numbers."""
    points = " ".join(f"{random.uniform(0, 90):.4f},{random.uniform(0, 90):.4f}" for _ in range(random.randint(3, 30)))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 90 90"><path d="M {points} z"/><text>48.8566, '
        "2.3522</text></svg>"
    )


KINDS: Final[Mapping[str, HarmlessKind]] = {
    "pod": HarmlessKind(pod, key="k8s.pod.name"),
    "pod as host": HarmlessKind(host, key="host.name"),
    "node": HarmlessKind(node, key="k8s.node.name"),
    "cloud resource": HarmlessKind(cloud_resource, field="operational"),
    "container": HarmlessKind(container, key="container.id"),
    "container as host": HarmlessKind(container, key="host.name"),
    "job": HarmlessKind(job, key="k8s.job.name"),
    "job's pod": HarmlessKind(job_pod, field="operational"),
    "range of bytes": HarmlessKind(byte_range, field="operational"),
    "image": HarmlessKind(image, key="container.image.name"),
    "version of a service": HarmlessKind(version, key="service.version"),
    "version of a runtime": HarmlessKind(version, key="process.runtime.version"),
    "version as a tag": HarmlessKind(version, key="container.image.tags"),
    "version of a system": HarmlessKind(version, key="os.version"),
    "UUID 1": HarmlessKind(partial(uuid, 1), key="k8s.pod.uid"),
    "UUID 4": HarmlessKind(partial(uuid, 4), key="service.instance.id"),
    "UUID 7": HarmlessKind(partial(uuid, 7), key="messaging.message.id"),
    "UUID as a token": HarmlessKind(partial(uuid, 4), field="operational"),
    "ULID": HarmlessKind(ulid, key="log.record.uid"),
    "ULID as a token": HarmlessKind(ulid, field="operational"),
    "KSUID": HarmlessKind(ksuid, key="messaging.message.id"),
    "KSUID as a token": HarmlessKind(ksuid, field="operational"),
    "trace ID": HarmlessKind(partial(hexadecimal, 32), key="messaging.message.id"),
    "trace ID as a token": HarmlessKind(partial(hexadecimal, 32), field="operational"),
    "commit as a token": HarmlessKind(partial(hexadecimal, 40), field="operational"),
    "digest as a token": HarmlessKind(partial(hexadecimal, 64), field="operational"),
    "nanoid": HarmlessKind(nano_id, field="operational"),
    "ObjectId": HarmlessKind(object_id, field="operational"),
    "snowflake": HarmlessKind(snowflake, field="operational"),
    "GTID": HarmlessKind(gtid, field="operational"),
    "Auth0 ID": HarmlessKind(subject, field="operational"),
    "short commit": HarmlessKind(partial(hexadecimal, 7), key="service.version"),
    "commit": HarmlessKind(partial(hexadecimal, 40), key="service.version"),
    "digest": HarmlessKind(partial(hexadecimal, 64), key="container.id"),
    "video ID": HarmlessKind(partial(prefixed, "vid_", 10), key="kannelle.video.id"),
    "order ID": HarmlessKind(partial(prefixed, "ord_", 10), field="order_id", policy=EXEMPTING_POLICY),
    "user ID": HarmlessKind(user_id, field="user_id", policy=EXEMPTING_POLICY),
    "user ID outside the EU": HarmlessKind(user_id, field="user_id", destination="vendor", policy=EXEMPTING_POLICY),
    **{f"time in {name}": HarmlessKind(partial(epoch, unit), field="number") for name, unit in _UNITS.items()},
    **{f"time in {name} as "
       "text": HarmlessKind(partial(epoch_text, unit), field="operational") for name, unit in _UNITS.items()},
    "offset": HarmlessKind(offset, key="messaging.kafka.offset"),
    "size of a body": HarmlessKind(size, key="http.response.body.size"),
    "size of a message": HarmlessKind(size, key="messaging.message.body.size"),
    "company number": HarmlessKind(company_number, field="organisation", destination="crm"),
    "VAT number": HarmlessKind(vat_number, field="organisation", destination="crm"),
    "company number in a payment": HarmlessKind(company_number, field="payment"),
    "phone": HarmlessKind(phone, field="phone", destination="crm"),
    "project": HarmlessKind(project, field="content"),
    "drawing": HarmlessKind(drawing, field="content"),
}  # fmt: skip


def values(kind: str, count: int) -> Iterator[str | int]:
    """Yield `count` values of a kind, the same in each run."""
    random = Random(f"good {kind}")
    return (KINDS[kind].make(random) for _ in range(count))
