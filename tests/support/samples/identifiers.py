"""Identifiers, names and versions as the systems make them that give them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from string import ascii_lowercase, ascii_uppercase, digits
from typing import Final
from uuid import UUID

from tests.support.samples.value import random_chars

HEX: Final = "0123456789abcdef"
EPOCH: Final = datetime(2015, 1, 1, tzinfo=UTC)
LAST_SECOND: Final = int((datetime(2032, 1, 1, tzinfo=UTC) - EPOCH).total_seconds())

_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_BASE62: Final = digits + ascii_uppercase + ascii_lowercase
# By Kubernetes' own rules: https://github.com/kubernetes/apimachinery, util/rand.
_SAFE: Final = "bcdfghjklmnpqrstvwxz2456789"

_WORDS: Final = (
    "editor video exporter render api gateway auth billing media queue worker web player search sync notify h264 s3 "
    "v2 k8s"
).split()
_RESOURCES: Final = "i ami eni igw rtb sg snap subnet vol vpc".split()
_REGIONS: Final = "eu-west-1 eu-west-3 eu-central-1 eu-north-1 us-east-2".split()


def moment(random: Random) -> datetime:
    """A time from 2015 to 2031."""
    return EPOCH + timedelta(seconds=random.randrange(LAST_SECOND))


def _name(random: Random) -> str:
    return "-".join(random.choices(_WORDS, k=random.randint(1, 3))).lstrip("0123456789-") or "editor"


def pod(random: Random) -> str:
    """The name of a pod of a deployment, a stateful set, a daemon set, a job or a cron job."""
    suffix, name = random_chars(_SAFE, 5, random), _name(random)
    template = "".join(_SAFE[ord(char) % len(_SAFE)] for char in str(random.getrandbits(32)))
    minutes = random.randint(26_000_000, 31_000_000)
    return random.choice(
        (
            *(f"{name}-{template}-{suffix}",) * 5,
            f"{name}-{random.randint(0, 99)}",
            f"{name}-{suffix}",
            f"{name}-{minutes}-{suffix}",
        )
    )


def host(random: Random) -> str:
    """The name of a pod of a deployment or a stateful set, as its host name."""
    template = "".join(_SAFE[ord(char) % len(_SAFE)] for char in str(random.randint(10**7, 2**32 - 1)))
    return random.choice(
        (f"{_name(random)[:40]}-{template}-{random_chars(_SAFE, 5, random)}", f"editor-{random.randint(0, 99)}")
    )


def node(random: Random) -> str:
    """The name of a node of EKS, GKE or AKS, or of an instance."""
    private = random.choice(("10-{}-{}-{}", "172-{}-{}-{}", "192-168-{}-{}"))
    address = private.format(random.randint(16, 31), random.randint(0, 255), random.randint(0, 255))
    return random.choice(
        (
            f"ip-{address}.{random.choice(_REGIONS)}.compute.internal",
            f"ip-{address}.ec2.internal",
            f"i-0{random_chars(HEX, 16, random)}",
            f"gke-{_name(random)[:12]}-pool-{random.randint(1, 3)}-{random_chars(HEX, 8, random)}-{random_chars(_SAFE, 4, random)}",
            f"aks-nodepool{random.randint(1, 9)}-{random.randint(10**7, 10**8 - 1)}-vmss00000{random_chars(HEX, 1, random)}",
            f"worker-{random.randint(1, 99)}.fr-par.internal",
        )
    )


def cloud_resource(random: Random) -> str:
    """The identifier of an instance, a network or a volume of Amazon.

    Seventeen hexadecimal digits, of which the first is 0.
    """
    letters = set("abcdef")
    kind, given = random.choice(_RESOURCES), random_chars(HEX, 16, random)
    while len(letters.intersection(given)) < 3:
        given = random_chars(HEX, 16, random)
    return f"{kind}-0{given}"


def container(random: Random) -> str:
    """A container's short identifier: of twelve hexadecimal digits some are letters."""
    while (given := random_chars(HEX, 12, random)).isdigit():
        pass
    return given


def job(random: Random) -> str:
    """The name of a job of a cron job, by its minute since 1970."""
    return f"{_name(random)}-{random.randint(26_000_000, 31_000_000)}"


def job_pod(random: Random) -> str:
    """The name of a pod of such a job, with a letter in what the pod adds."""
    while (suffix := random_chars(_SAFE, 5, random)).isdigit():
        pass
    return f"{job(random)}-{suffix}"


def byte_range(random: Random) -> str:
    """A range of bytes, as asked for and as answered."""
    size = random.randint(10, 10**10)
    first = random.randrange(size)
    last = random.randint(max(first, 1), size)
    return random.choice((f"bytes={first}-{last}", f"bytes={first}-", f"bytes={first}-{last}/{size}"))


def image(random: Random) -> str:
    """The name of an image in ECR, Artifact Registry, ACR or GHCR, at times with its digest."""
    path = f"kannelle/{_name(random)}"
    registry = random.choice(
        (
            *(f"{random_chars(digits, 12, random)}.dkr.ecr.{random.choice(_REGIONS)}.amazonaws.com",) * 3,
            "europe-west9-docker.pkg.dev/kannelle-prod",
            "kannelle.azurecr.io",
            "ghcr.io",
        )
    )
    return f"{registry}/{path}" + random.choice(("", "", f"@sha256:{random_chars(HEX, 64, random)}"))


def version(random: Random) -> str:
    """A version: SemVer with and without a build, Java's, Debian's, Go's, a calendar's, of four parts."""
    part = partial(random.randint, 0)
    three = f"{part(30)}.{part(40)}.{part(60)}"
    day = moment(random)
    return random.choice(
        (
            three,
            f"v{three}",
            f"{three}-rc.{part(9)}",
            f"{three}+{random_chars(HEX, 7, random)}",
            f"{part(30)}.{part(0)}.{part(20)}+{part(12)}",
            f"{part(30)}.0.{part(20)}+{part(12)}-Debian-{part(3)}deb{random.randint(10, 13)}u{part(3)}",
            f"{part(30)}.{part(30)}.{part(60)}.{part(9)}",
            f"{day:%y.%m.%d}.{part(9)}",
            f"{day:%Y.%m.%d}",
            f"go1.{random.randint(18, 27)}.{part(12)}",
            f"5.{part(19)}.0-{part(120)}-generic",
            f"{random.randint(100, 150)}.0.{random.randint(1000, 9999)}.{part(250)}",
            f"v0.0.0-{day:%Y%m%d%H%M%S}-{random_chars(HEX, 12, random)}",
            f"{three}-alpha+{day:%Y%m%d%H%M%S}",
        )
    )


def uuid(version: int, random: Random) -> str:
    """A UUID of version 1, 4 or 7 (RFC 9562)."""
    ms = int(moment(random).timestamp() * 1000)
    bits = random.getrandbits(128)
    if version == 7:
        bits = ms << 80 | bits & (1 << 80) - 1
    bits = bits & ~(0xF << 76) & ~(0x3 << 62) | version << 76 | 0x2 << 62
    return str(UUID(int=bits))


def ulid(random: Random) -> str:
    """A ULID: milliseconds and 80 random bits in Crockford's base32."""
    value = int(moment(random).timestamp() * 1000) << 80 | random.getrandbits(80)
    return _base(value, _CROCKFORD, 26)


def ksuid(random: Random) -> str:
    """A KSUID: seconds since 2014 and 128 random bits in base62."""
    value = (int(moment(random).timestamp()) - 1_400_000_000) << 128 | random.getrandbits(128)
    return _base(value, _BASE62, 27)


def _base(value: int, alphabet: str, size: int) -> str:
    made = ""
    for _ in range(size):
        value, digit = divmod(value, len(alphabet))
        made = alphabet[digit] + made
    return made


def hexadecimal(size: int, random: Random) -> str:
    """That many hexadecimal digits: a trace's identifier, a commit, a digest."""
    return random_chars(HEX, size, random)


def nano_id(random: Random) -> str:
    """A nanoid: 21 letters, digits, hyphens and underscores."""
    return random.choice(_BASE62) + random_chars(_BASE62 + "_-", 20, random)


def object_id(random: Random) -> str:
    """An ObjectId of MongoDB: seconds since 1970 and eight random bytes."""
    return f"{int(moment(random).timestamp()):08x}{random.getrandbits(64):016x}"


def snowflake(random: Random) -> str:
    """A snowflake: milliseconds since 2010, a machine and a count; from 2018 to 2031 they have 19 digits.

    One of the few weeks in which they begin as the cards of an issuer do can't be told from a card in one of ten cases.
    """
    value = random.randrange(10**18, 28 * 10**17)
    return str(value) if value // 10**15 not in range(2200, 2205) else snowflake(random)


def gtid(random: Random) -> str:
    """The identifier of a transaction of MySQL."""
    return f"{uuid(1, random)}:{random.randint(1, 10**6)}"


def subject(random: Random) -> str:
    """The identifier that Auth0 gives a user."""
    return f"auth0|{random_chars(HEX, 24, random)}"


def prefixed(prefix: str, size: int, random: Random) -> str:
    """An identifier of digits behind a prefix."""
    return prefix + random_chars(digits, size, random)


def user_id(random: Random) -> str:
    """A user's identifier of one to nineteen digits."""
    return prefixed("usr_", random.randint(1, 19), random)
