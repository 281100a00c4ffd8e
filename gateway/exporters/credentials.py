"""Credentials: read from the environment or a file, never written anywhere."""

from __future__ import annotations

import base64
import os
import re
from pathlib import Path
from typing import Final

from gateway import files
from gateway.errors import BadConfig
from gateway.exporters.settings import Secret

MAX_CREDENTIAL_FILE_BYTES: Final = 16 * 1024
"""The largest file that is read: a credential, and the white space around it."""

_CREDENTIAL: Final = re.compile(r"[!-~]{1,4096}")


class Credential:
    """One credential. A file is read again when it changes; while it can't be read, what it said last counts."""

    def __init__(self, source: Secret, key: str) -> None:
        """`key` is where the policy speaks of it.

        Raises BadConfig, naming it, if there is none or it isn't printable ASCII.
        """
        self._file = None if source.file is None else Path(source.file)
        self._version = (0, 0)
        self._value = ""
        try:
            self._value = os.environ[str(source.env)] if self._file is None else self._read(self._file)
        except KeyError:
            raise BadConfig(f"{key}: the environment has no {source.env}") from None
        except (OSError, files.Unreadable) as failure:
            raise BadConfig(f"{key}: {source.file}: {files.read_error_text(failure)}") from None
        except ValueError:
            raise BadConfig(f"{key}: {source.file}: holds no text of printable ASCII") from None
        if not _CREDENTIAL.fullmatch(self._value):
            raise BadConfig(f"{key}: must be 1 to 4096 characters of printable ASCII, without spaces")

    def __repr__(self) -> str:
        return "Credential(…)"

    def value(self) -> str:
        """What it is now."""
        if self._file is not None:
            try:
                found = self._read(self._file)
            except (OSError, files.Unreadable, ValueError):
                return self._value
            self._value = found if _CREDENTIAL.fullmatch(found) else self._value
        return self._value

    def _read(self, file: Path) -> str:
        status = files.stat_path(file)
        at = (status.st_mtime_ns, status.st_ino)
        if at == self._version:
            return self._value
        text = files.read_regular(file, MAX_CREDENTIAL_FILE_BYTES).decode("ascii").strip()
        self._version = at
        return text


def basic_auth(user: str, password: str) -> str:
    """The value of an `Authorization` header: RFC 7617."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
