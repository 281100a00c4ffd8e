"""How many of the gateway's functions run on each of four walks through it.

`python -m tests.support.walk` prints the figures, and with `--list` the functions in the order of their first calls.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.support.call_recorder import Recorder, Walk
from tests.support.walks import WALKS

COUNTED: Final = """
Counted is what runs of gateway/ for one more item, in any thread and until half a second after its end: functions and
methods, each once however often it is called; closures, which are lambdas and functions inside others; and the files
of both. demo/, standins/, comprehensions and code in other languages are left out.
"""


def trace(name: str, folder: Path) -> Walk:
    """Go one of the walks."""
    recorder = Recorder()
    with recorder.installed():
        return asyncio.run(_go(name, folder, recorder))


async def _go(name: str, folder: Path, recorder: Recorder) -> Walk:
    return await WALKS[name](folder, recorder)


def main() -> None:
    """Print a row of figures for each walk and what they count; with `--list`, also what runs on it."""
    logging.disable()
    walks = {name: _trace_apart(name) for name in WALKS}
    print("| walk | functions | closures | files |\n|---|---|---|---|")
    for name, walk in walks.items():
        print(f"| {name} | {len(walk.functions)} | {len(walk.closures)} | {len(walk.files)} |")
    print(COUNTED)
    if "--list" in sys.argv:
        for name, walk in walks.items():
            print("\n".join((f"{name}:", *(f"  {one}" for one in (*walk.functions, *walk.closures)))))


def _trace_apart(name: str) -> Walk:
    with tempfile.TemporaryDirectory() as folder:
        return trace(name, Path(folder))


if __name__ == "__main__":
    main()
