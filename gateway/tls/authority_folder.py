"""The folder in which a CA is kept: its certificate, and its key for its owner only. One that is there stays."""

from __future__ import annotations

import os
import stat
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from gateway import rfc3339, tls
from gateway.config import Tls
from gateway.errors import BadSetup
from gateway.folder import GROUP_AND_OTHERS_MODE, write_new_file
from gateway.tls.authority import CertificateAuthority, NotAnAuthority

CERTIFICATE_FILE: Final = "ca.crt"
KEY_FILE: Final = "ca.key"

GROUP_AND_OTHERS_WRITE: Final = 0o022
"""The bits of a mode that say whether group and others may write."""

CLOCK_SKEW: Final = timedelta(minutes=5)
"""How far the clocks of a cluster may go behind: from so long ago certificates are good."""


def load_authority(folder: Path, now: datetime) -> CertificateAuthority | None:
    """The CA of a folder; None if it has none. Raises BadSetup, also where others may put theirs there."""
    _check_folder(folder)
    certificate, key = folder / CERTIFICATE_FILE, folder / KEY_FILE
    missing = [path for path in (certificate, key) if not os.path.lexists(path)]
    if len(missing) == 2:
        return None
    if missing:
        raise BadSetup(
            f"{missing[0]}: isn't there, but its other half is. Bring it back; or name another folder, "
            "in which another CA is made"
        )
    return _read(certificate, key, now)


def make_authority(folder: Path, name: str, now: datetime, lifetime: timedelta) -> CertificateAuthority:
    """A new CA, kept in a folder that has none. Raises BadSetup."""
    made = CertificateAuthority.create(name, now - CLOCK_SKEW, now + lifetime)
    for file, pem in ((KEY_FILE, made.key), (CERTIFICATE_FILE, made.certificate)):
        path = folder / file
        try:
            if not write_new_file(path, pem):
                raise BadSetup(f"{path}: another CA was made there meanwhile; run this again to use it")
        except OSError as failure:
            raise BadSetup(f"{path}: can't be written: {failure.strerror}") from None
    return made


def _check_folder(folder: Path) -> None:
    """Raise BadSetup where others may write to a folder. One that isn't there is made for its owner only."""
    try:
        mode = stat.S_IMODE(folder.stat().st_mode)
    except OSError:
        return  # whoever reads there, or makes it, says why not
    if mode & GROUP_AND_OTHERS_WRITE:
        raise BadSetup(
            f"{folder}: others may put a CA of theirs there, by its mode {mode:04o}: chmod 700 leaves it to its owner"
        )


def _read(certificate: Path, key: Path, now: datetime) -> CertificateAuthority:
    try:
        material = tls.examine(Tls(certificate=certificate, key=key, ca=certificate))
        authority = CertificateAuthority.load(material.certificate, material.key)
    except tls.BadTls as bad:
        raise BadSetup("\n".join(dict.fromkeys(text for _, text in bad.faults))) from None
    except NotAnAuthority as flaw:
        raise BadSetup(f"{certificate}: {flaw}") from None
    mode = stat.S_IMODE(key.stat().st_mode)
    if mode & GROUP_AND_OTHERS_MODE:
        raise BadSetup(f"{key}: is open to others, by its mode {mode:04o}: chmod 600 leaves it to its owner")
    if not authority.since <= now < authority.until:
        since, until = map(rfc3339.from_datetime, (authority.since, authority.until))
        raise BadSetup(f"{certificate}: isn't good now: it is from {since} until {until}")
    return authority
