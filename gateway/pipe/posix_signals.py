"""Signals that don't end the filter. Light: whoever starts the filter imports this before anything else."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Sequence
from typing import Final

COMMAND: Final = "pipe"
STDIN_FD: Final = 0

_HARMLESS_SIGNALS: Final = (signal.SIGPIPE, signal.SIGUSR1, signal.SIGUSR2)
_TERMINATION_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def ignore_signals() -> None:
    """Ignore signals, so that the writer is outlived.

    A file has no writer: what is read from one can be ended, without a traceback.
    """
    ends = is_file(STDIN_FD)
    for number in _HARMLESS_SIGNALS if ends else (*_HARMLESS_SIGNALS, *_TERMINATION_SIGNALS):
        signal.signal(number, signal.SIG_IGN)
    if ends and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def ignore_signals_early(arguments: Sequence[str]) -> None:
    """Ignore signals if the arguments of this process ask for the filter."""
    if arguments[:1] == [COMMAND]:
        ignore_signals()


def is_file(fd: int) -> bool:
    """Whether a descriptor is a file's or a disk's: nobody waits for what is read from it."""
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        return False
    return stat.S_ISREG(mode) or stat.S_ISBLK(mode)
