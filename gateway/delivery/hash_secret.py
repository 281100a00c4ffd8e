"""The secret of keyed hashes: where it is, and that it is the one by which the state folder was hashed so far.

With another one, nothing that is stored would be found any more: no request that comes again, no person. An agent
without an outbox stores nothing, has no state folder, and hashes no person, but makes the keys by which its hub knows
what comes again; so its secret needs to live as long as its callers try again, and comes from its private key.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Final

from gateway.config import Config, HashSecret
from gateway.delivery.keys import MAX_SECRET_BYTES, SECRET_BYTES
from gateway.errors import BadConfig
from gateway.files import MAX_PEM_BYTES, Unreadable, read_error_text, read_regular
from gateway.folder import write_new_file
from gateway.yamlfile import Keys, Problem

KEY_FILE: Final = "keys"
"""In the state folder: the secret, where the configuration names none."""

FINGERPRINT_FILE: Final = "keys.fingerprint"
"""In the state folder: which secret it was hashed by, wherever that is."""

MAX_FILE_BYTES: Final = 1_000_000
"""The largest file that is read."""

_TEXT: Final = frozenset(range(0x21, 0x7F))

_BREAKS: Final = (
    "a request that comes again would be delivered twice, and what is stored of a person not be found to be erased"
)


class BadSecret(Exception):
    """What is wrong with the secret, at a key of the configuration; its text never holds any of it."""

    def __init__(self, keys: Keys, text: str) -> None:
        super().__init__(text)
        self.keys = keys


def secret_problems(config: Config) -> Iterator[Problem]:
    """Yield what is wrong with the secret, if something is. Changes nothing."""
    try:
        if config.keeps_state:
            _find(config)
        elif config.hash_secret is not None:
            _configured_secret(config.hash_secret)
    except BadSecret as fault:
        yield fault.keys, str(fault)


def open_secret(config: Config) -> bytes:
    """Return the secret, made if there is none, and keep its fingerprint in the state folder. Raises BadConfig."""
    try:
        if not config.keeps_state:
            return _stateless_secret(config)
        secret = _find(config) or _made(config.state / KEY_FILE)
        write_new_file(config.state / FINGERPRINT_FILE, f"{fingerprint_of(secret)}\n".encode())
        _find(config)  # another start may have been first
    except BadSecret as fault:
        raise BadConfig(f"{'.'.join(map(str, fault.keys))}: {fault}") from None
    except OSError as error:
        raise BadConfig(f"state: {config.state}: {error.strerror}") from None
    return secret


def fingerprint_of(secret: bytes) -> str:
    """Return 32 hexadecimal digits that tell one secret from another, and nothing of it."""
    return blake2b(digest_size=16, key=secret, person=b"secret").hexdigest()


def _find(config: Config) -> bytes | None:
    """Return the secret; None if there is none yet. Raises BadSecret, also where it is another one than before."""
    recorded = _recorded_fingerprint(config.state / FINGERPRINT_FILE)
    own = None if config.hash_secret and recorded else _own_secret(config.state / KEY_FILE)
    secret = own if config.hash_secret is None else _configured_secret(config.hash_secret)
    former = recorded or (own and fingerprint_of(own))
    if former and (secret is None or fingerprint_of(secret) != former):
        raise _another(config, missing=secret is None, former_is_own=not recorded)
    return secret


def _another(config: Config, *, missing: bool, former_is_own: bool) -> BadSecret:
    """Return the error for a secret that isn't the former one, or is missing: what it would break, and what to do."""
    state, own = config.state, config.state / KEY_FILE
    way_out = (
        f"To go on with another one all the same, wait until `outbox status` says that nothing is stored, and delete "
        f"{KEY_FILE} and {FINGERPRINT_FILE} in {state}"
    )
    if missing:
        text = f"{own}: is not there, nor is `hash_secret`, and {FINGERPRINT_FILE} says that there was a secret"
        return BadSecret(("state",), f"{text}; with another one {_BREAKS}. Name it in `hash_secret`. {way_out}")
    if config.hash_secret is None:
        text = f"{own}: is another secret than this folder was hashed by"
        return BadSecret(("state",), f"{text}; with it {_BREAKS}. Put the former one back. {way_out}")
    remedy = f"Name {own} as its file, where the former one is" if former_is_own else "Name the former one"
    return BadSecret(
        ("hash_secret",), f"is another secret than {state} was hashed by; with it {_BREAKS}. {remedy}. {way_out}"
    )


def _stateless_secret(config: Config) -> bytes:
    """Return the secret of who keeps no state: the same while the agent's private key is. Raises BadSecret."""
    if config.hash_secret is not None:
        return _configured_secret(config.hash_secret)
    assert config.tls is not None, "an agent doesn't load without"
    key = config.tls.key
    try:
        material = read_regular(key, MAX_PEM_BYTES)
    except (OSError, Unreadable) as failure:
        raise BadSecret(("tls", "key"), f"{key}: {read_error_text(failure)}") from None
    return blake2b(material, digest_size=MAX_SECRET_BYTES, person=b"hash_secret").digest()


def _configured_secret(source: HashSecret) -> bytes:
    """Return the configured secret. Raises BadSecret."""
    if source.file is not None:
        keys: Keys = ("hash_secret", "file")
        try:
            raw = read_regular(source.file, MAX_FILE_BYTES)
        except (OSError, Unreadable) as failure:
            raise BadSecret(keys, f"{source.file}: {read_error_text(failure)}") from None
    else:
        keys = ("hash_secret", "env")
        try:
            raw = os.environb[str(source.env).encode()]
        except KeyError:
            raise BadSecret(keys, f"the environment has no {source.env}") from None
    secret = _without_space(raw)
    if not SECRET_BYTES <= len(secret) <= MAX_SECRET_BYTES:
        raise BadSecret(
            keys,
            f"must hold {SECRET_BYTES} to {MAX_SECRET_BYTES} bytes, and holds {len(secret)}: `openssl rand -hex 32` "
            "makes one",
        )
    return secret


def _without_space(raw: bytes) -> bytes:
    """Return a text without the white space around it, and anything else as it is.

    An editor or a shell ends a file with a newline, so that a file and a variable with one text are one secret.
    """
    text = raw.strip()
    return text if _TEXT.issuperset(text) else raw


def _own_secret(path: Path) -> bytes | None:
    """Return the state folder's own secret, the first bytes of its file; None if there is none. Raises BadSecret."""
    try:
        secret = read_regular(path, MAX_FILE_BYTES)
    except FileNotFoundError:
        return None
    except (OSError, Unreadable) as failure:
        raise BadSecret(("state",), f"{path}: {read_error_text(failure)}") from None
    if len(secret) < SECRET_BYTES:
        raise BadSecret(("state",), f"{path}: must hold {SECRET_BYTES} bytes or more")
    return secret[:MAX_SECRET_BYTES]


def _recorded_fingerprint(path: Path) -> str | None:
    """Return what the file says; None if it isn't there. Raises BadSecret."""
    try:
        return read_regular(path, MAX_FILE_BYTES).decode("ascii", "replace").strip()
    except FileNotFoundError:
        return None
    except (OSError, Unreadable) as failure:
        raise BadSecret(("state",), f"{path}: {read_error_text(failure)}") from None


def _made(path: Path) -> bytes:
    """Make a secret, for its owner only, and return it, or that of another start. Raises OSError, BadSecret."""
    write_new_file(path, secrets.token_bytes(SECRET_BYTES))
    secret = _own_secret(path)
    assert secret is not None
    return secret
