"""Secrets: keys and tokens of known shape, passwords after their name and in URLs.

Words about secrets and identifiers are none.
"""

from __future__ import annotations

import random
import re
import string
from collections.abc import Callable

import pytest
import re2

from gateway.detectors import data
from gateway.detectors.detect import find, mask
from gateway.detectors.fast_path import hides_nothing
from gateway.detectors.secrets import Shape, Table, secrets
from gateway.errors import FieldReason
from gateway.model import Detector
from tests.detectors.glued_values import GLUINGS, random_chars

TABLE = data.table("secrets", Table)
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl"
PEM = (
    "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,9F\n\nMIIEabc+/\n-----END RSA "
    "PRIVATE KEY-----"
)
ALPHANUMERIC = string.ascii_letters + string.digits
BASE64URL = ALPHANUMERIC + "_-"
HEX = "0123456789abcdef"

SHAPES: dict[str, Callable[[random.Random], str]] = {
    "AWS": lambda chance: f"AKIA{random_chars(chance, 16, string.ascii_uppercase + '234567')}",
    "AWS, temporary": lambda chance: f"ASIA{random_chars(chance, 16, string.ascii_uppercase + '234567')}",
    "GitHub": lambda chance: f"gh{chance.choice('opsru')}_{random_chars(chance, 36, ALPHANUMERIC)}",
    "GitHub, fine-grained": lambda chance: (
        f"github_pat_{random_chars(chance, 22, ALPHANUMERIC)}_{random_chars(chance, 59, ALPHANUMERIC)}"
    ),
    "GitLab": lambda chance: f"glpat-{random_chars(chance, 20, BASE64URL)}",
    "Slack": lambda chance: (
        f"xox{chance.choice('bp')}-{random_chars(chance, 12, string.digits)}-{random_chars(chance, 24, ALPHANUMERIC)}"
    ),
    "Stripe": lambda chance: f"{chance.choice('sr')}k_live_{random_chars(chance, 24, ALPHANUMERIC)}",
    "Google": lambda chance: f"AIza{random_chars(chance, 35, BASE64URL)}",
    "npm": lambda chance: f"npm_{random_chars(chance, 36, ALPHANUMERIC)}",
    "PyPI": lambda chance: f"pypi-AgEIcHlwaS5vcmc{random_chars(chance, 60, BASE64URL)}",
    "SendGrid": lambda chance: f"SG.{random_chars(chance, 22, BASE64URL)}.{random_chars(chance, 43, BASE64URL)}",
    "Twilio": lambda chance: f"SK{random_chars(chance, 32, HEX)}",
    "Telegram": lambda chance: f"{random_chars(chance, 9, '123456789')}:AA{random_chars(chance, 33, BASE64URL)}",
    "Square": lambda chance: f"sq0atp-{random_chars(chance, 22, BASE64URL)}",
    "RubyGems": lambda chance: f"rubygems_{random_chars(chance, 48, HEX)}",
    "Supabase": lambda chance: f"sbp_{random_chars(chance, 40, HEX)}",
    "Brevo": lambda chance: f"xkeysib-{random_chars(chance, 64, HEX)}-{random_chars(chance, 16, ALPHANUMERIC)}",
    "New Relic": lambda chance: f"NRAK-{random_chars(chance, 27, string.ascii_uppercase + string.digits)}",
    "Alibaba": lambda chance: f"LTAI5t{random_chars(chance, 18, ALPHANUMERIC)}",
    "Atlassian": lambda chance: f"ATATT3x{random_chars(chance, 60, BASE64URL)}",
    "JWT": lambda chance: (
        f"eyJhbGciOiJIUzI1NiJ9.eyJ{random_chars(chance, 40, BASE64URL)}.{random_chars(chance, 43, BASE64URL)}"
    ),
}


@pytest.mark.parametrize(
    "gluing", ["bare", "letters before", "letters after", "letters around", "after a name and a separator"]
)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_secret_of_known_shape_is_found_however_it_is_glued(shape: str, gluing: str) -> None:
    chance = random.Random(shape + gluing)
    for _ in range(50):
        value = SHAPES[shape](chance)
        text = GLUINGS[gluing](chance, value)
        assert find(text, (Detector.SECRET,)) is FieldReason.LOOKS_LIKE_SECRET
        assert value not in mask(text)


@pytest.mark.parametrize("shape", TABLE.shapes, ids=[shape.name for shape in TABLE.shapes])
def test_a_hint_is_in_each_text_of_its_shape(shape: Shape) -> None:
    chance = random.Random(1)
    samples = [make(chance) for make in SHAPES.values()] + [
        PEM,
        "https://ada:pw@host.example",
        "Bearer abcdefghij0123456789",
    ]
    assert all(re.search(shape.hint, text) for text in samples if re2.search(shape.pattern, text))


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("password=hunter2", "password=[SECRET]"),
        ("password:hunter2", "password:[SECRET]"),
        ("my password: hunter2, thanks", "my password: [SECRET], thanks"),
        ("passwd: hunter", "passwd: [SECRET]"),
        ("user=ada pwd=hunter2", "user=ada pwd=[SECRET]"),
        ("mot de passe : azerty", "mot de passe : [SECRET]"),
        ("Kennwort: geheim", "Kennwort: [SECRET]"),
        ('{"password":"hun ter2","a":1}', '{"password":"[SECRET]","a":1}'),
        ("DB_PASSWORD='x y'", "DB_PASSWORD='[SECRET]'"),
        ("userPassword = x", "userPassword = [SECRET]"),
        ("secret=abc", "secret=[SECRET]"),
        ("token=abc", "token=[SECRET]"),
        ("?access_token=abc&x=1", "?access_token=[SECRET]&x=1"),
        ("apiKey: k7f9a2", "apiKey: [SECRET]"),
        ("api_key=12", "api_key=[SECRET]"),
        ("aws_secret_access_key=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "aws_secret_access_key=[SECRET]"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer [SECRET]"),
        ("authorization: Basic YWRhOnB3", "authorization: Basic [SECRET]"),
        ("curl -H 'Bearer abcdefghij0123456789'", "curl -H '[SECRET]'"),
        ("https://ada:pw@host/", "https://[SECRET]/"),
        ("https://alice:secret@host.example/", "https://[SECRET]/"),
        ("postgres://ada:p@ss@db.example:5432/x", "postgres://[SECRET]/x"),
        ("redis://:pw@cache.example", "redis://[SECRET]"),
        (f"{PEM} hello", "[SECRET] hello"),
        ('{"password":["hunter2","b"],"x":1}', '{"password":[SECRET],"x":1}'),
        ('{"password": {"value":"hunter2"},"a":1}', '{"password": [SECRET],"a":1}'),
        ('{"password":"hun\\"ter2"}', '{"password":"[SECRET]"}'),
        ("password: Hun;ter2!", "password: [SECRET]"),
        ("password=hun&ter2 x", "password=[SECRET] x"),
        ("passphrase: correct horse battery staple. Bye", "passphrase: [SECRET]. Bye"),
        ("phrase de passe : cheval agrafe, et puis", "phrase de passe : [SECRET], et puis"),
        ("password : « hunter2 »", "password : « [SECRET] »"),
        ("password={hunter2}", "password=[SECRET]"),
        ("<password>hunter2</password>", "<password>[SECRET]</password>"),
        ("**password:** hunter2", "**password:** [SECRET]"),
        ("mysql --password hunter2 -h x", "mysql --password [SECRET] -h x"),
        ("password:\n hunter2", "password:\n [SECRET]"),
        ("password:\r\n> hunter2", "password:\r\n> [SECRET]"),
        ('{"password":null,"secret":"a1b2c3"}', '{"password":null,"secret":"[SECRET]"}'),
        ("Basic:YWRhOnNlY3JldDEyMw", "Basic:[SECRET]"),
        (f"cookie {JWT};", "cookie [SECRET];"),
        ("$2b$12$" + "abcdefghijklmnopqrstu" + "v" * 32, "[SECRET]"),
    ],
)
def test_a_secret_is_masked_whole(text: str, masked: str) -> None:
    assert find(text, (Detector.SECRET,)) is FieldReason.LOOKS_LIKE_SECRET
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "token_count=5", "page_token=abc", ("next_page_token: "
                                           "CAoQAA"), "password_reset", "max_tokens=4096", "password_reset_v2",
        "tokens: 512",
        "password={password}", "password=***", "password=", 'password=""', "password: required",
        "password=${DB_PASSWORD}", "password=<redacted>", "password=<your-password>", "password={{ .Values.password }}",
        'password="%s"', "password=[FILTERED]", "basic information", "Basic:subscription", "--password",
        "password:\r\n", "password=[SECRET]", "https://[SECRET]/", "Authorization: [SECRET]",
        "Authorization: Bearer [SECRET]",
        "token:refresh", ("Error: invalid token: unexpected end of "
                         "input"), "secretName: tls", "secret: not found", "forgot password?",
        "https://{user}:{password}@host/", "https://user:***@host/", "http://host:8080/", "http://a:80/x@y",
        "git@github.com:acme/x.git", "-----BEGIN CERTIFICATE-----", "-----BEGIN PUBLIC KEY-----",
        "eyJhbGciOiJIUzI1NiJ9", "bearer authentication", "sk-learn", "npm_config_registry", "ghp_short", "task_SK12",
        "AKIA", "key-value", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", 'W/"67ab43"',
        "310509089954.dkr.ecr.eu-west-3.amazonaws.com/kannelle/video",
    ],
)  # fmt: skip
def test_what_is_no_secret_is_left_alone(text: str) -> None:
    assert find(text, (Detector.SECRET,)) is None


SPELLINGS = (
    "password={}", "password: {}", "PASSWORD:{}", "db_password => {}", "password='{}'", 'password="{}"',
    "password=`{}`", '{{"password":"{}"}}', '{{"password": ["{}"]}}', '{{"a":1,"password":{{"value":"{}"}}}}',
    r'{{\"password\":\"{}\"}}', "password = <{}>", "password=({})", "password={{{}}}", "<password>{}</password>",
    "<ns:password>{}</ns:password>", "**password:** {}", "**password**: {}", "`password`: {}", "--password {}",
    "--password={}", "password : « {} »", "password:\n{}", "password:\r\n> {}", "mot de passe : {}", "passphrase: {}",
    "passphrase: x {} y", "?user=ada&x_password={}&a=1", "Kennwort: {} und", "secret={}", "x --client-secret {}",
    "Authorization: Basic {}",
)  # fmt: skip
ENCLOSED = re.compile("[\"'`>»)\\]}<\\\\&]")


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_half_of_a_named_secret_is_left(spelling: str) -> None:
    chance = random.Random(spelling)
    for _ in range(100):
        inside = "" if ENCLOSED.search(spelling) else "'\"`<>;&,)(]}"
        value = (
            random_chars(chance, 4, ALPHANUMERIC)
            + random_chars(chance, 4, inside + "!#$%/;:,=+*")
            + random_chars(chance, 4, ALPHANUMERIC)
        )
        if "passphrase" in spelling:
            value = re.sub(r"[^\w]", " ", value)
        text = spelling.format(value)
        left = mask(text)
        assert value[:4] not in left, (text, left)
        assert value[-4:] not in left, (text, left)
        assert mask(left) == left


GOOD: dict[str, Callable[[random.Random], str]] = {
    "UUID": lambda chance: "-".join(random_chars(chance, size, HEX) for size in (8, 4, 4, 4, 12)),
    "SHA-1": lambda chance: random_chars(chance, 40, HEX),
    "digest": lambda chance: f"video-exporter@sha256:{random_chars(chance, 64, HEX)}",
    "ULID": lambda chance: f"01J{random_chars(chance, 23, '0123456789ABCDEFGHJKMNPQRSTVWXYZ')}",
    "KSUID": lambda chance: random_chars(chance, 27, ALPHANUMERIC),
    "version": lambda chance: (
        f"{chance.randint(0, 99)}.{chance.randint(0, 99)}.{chance.randint(0, 99)}+{random_chars(chance, 7, HEX)}"
    ),
    "identifier": lambda chance: f"{chance.choice(('ord', 'vid', 'usr'))}_{random_chars(chance, 20, ALPHANUMERIC)}",
    "ETag": lambda chance: f'W/"{random_chars(chance, 32, HEX)}-{chance.randint(1, 99)}"',
    "traceparent": lambda chance: f"00-{random_chars(chance, 32, HEX)}-{random_chars(chance, 16, HEX)}-01",
    "base64": lambda chance: random_chars(chance, 64, ALPHANUMERIC + "+/"),
}


@pytest.mark.parametrize("kind", GOOD)
def test_an_identifier_is_no_secret(kind: str) -> None:
    chance = random.Random(kind)
    assert [text for _ in range(20_000) if any(secrets(text := GOOD[kind](chance)))] == []


@pytest.mark.parametrize("shape", SHAPES)
def test_a_secret_never_takes_the_short_way(shape: str) -> None:
    chance = random.Random(shape)
    assert not [text for _ in range(200) if hides_nothing(text := SHAPES[shape](chance)[:64])]
