"""The program, as `privacy-gateway` and as `python -m gateway`."""

import os
import signal
import sys
from types import FrameType
from typing import Final

from gateway.pipe.posix_signals import ignore_signals_early

FIRST_PROCESS: Final = 1
"""What the program is in a container."""


def main() -> None:
    """Run the command that the arguments name.

    What loads commands takes a while, in which a signal would end the filter and its writer.
    """
    ignore_signals_early(sys.argv[1:])
    _end_on_sigterm_early()
    from gateway.cli import main as commands  # noqa: PLC0415

    commands(prog_name="privacy-gateway")


def _end_on_sigterm_early() -> None:
    """Have SIGTERM end the first process of a container before anybody listens to it, as it would any other process.

    The kernel keeps from that one what it has no handler for (pid_namespaces(7)): a pod that is deleted while it starts
    would stay until it is killed.
    """
    if os.getpid() == FIRST_PROCESS and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _exit)


def _exit(number: int, _: FrameType | None) -> None:
    """Leave as a shell says of a process that a signal has ended."""
    os._exit(128 + number)


if __name__ == "__main__":
    main()
