"""The program, as `privacy-gateway` and as `python -m gateway`."""

import sys

from gateway.pipe.posix_signals import ignore_signals_early


def main() -> None:
    """Run the command that the arguments name.

    What loads commands takes a while, in which a signal would end the filter and its writer.
    """
    ignore_signals_early(sys.argv[1:])
    from gateway.cli import main as commands  # noqa: PLC0415

    commands(prog_name="privacy-gateway")


if __name__ == "__main__":
    main()
