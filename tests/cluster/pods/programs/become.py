"""Runs in a container: becomes another user, then what it is told to run.

`python become.py setuid|program UID COMMAND…`; `program` is a way without the capability to set user IDs.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

COPY = Path("/scratch/program")


def setuid(user: int, command: list[str]) -> None:
    """Take the user ID."""
    os.setuid(user)
    os.execv(command[0], command)


def program(user: int, command: list[str]) -> None:
    """Give the program to the user, set-user-ID: whoever runs it runs as its owner."""
    shutil.copy(command[0], COPY)
    os.chown(COPY, user, -1)
    COPY.chmod(0o4755)
    os.execv(COPY, command)


if __name__ == "__main__":
    {"setuid": setuid, "program": program}[sys.argv[1]](int(sys.argv[2]), sys.argv[3:])
