"""Recording which of the gateway's functions run, and in which order."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Final

import msgspec

import gateway

ROOT: Final = Path(gateway.__file__).parent
STAND_INS: Final = (ROOT / "demo", ROOT / "standins")
QUIET_SECONDS: Final = 0.5
"""How long after the last thing that can be seen from outside something may still be written."""


class Walk(msgspec.Struct, frozen=True):
    """Functions as `gateway/file.py::Class.method`, in the order of their first calls.

    `closures` are those without a name of their own: lambdas, and functions inside others.
    """

    functions: tuple[str, ...]
    closures: tuple[str, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """The files of all of them, in the order of their first calls."""
        return tuple(dict.fromkeys(name.partition("::")[0] for name in (*self.functions, *self.closures)))


class Recorder:
    """Notes what runs in any thread that starts after it, while it is `recording`."""

    def __init__(self) -> None:
        self._called: dict[CodeType, None] = {}
        self._recording = False

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        if self._recording and event == "call":
            self._called.setdefault(frame.f_code)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Be the profiler of this thread, and of those that start meanwhile."""
        threading.setprofile(self)
        sys.setprofile(self)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)

    async def record(self, steps: Awaitable[None]) -> Walk:
        """Return what runs while some steps are taken, and just after."""
        self._called.clear()
        self._recording = True
        try:
            await steps
            await asyncio.sleep(QUIET_SECONDS)
        finally:
            self._recording = False
        return _walk(self._called)


def _walk(called: Mapping[CodeType, None]) -> Walk:
    functions: list[str] = []
    closures: list[str] = []
    for code in called:
        path = Path(code.co_filename)
        if (
            not path.is_relative_to(ROOT)
            or any(map(path.is_relative_to, STAND_INS))
            or code.co_name.startswith(("<list", "<set", "<dict", "<gen", "<mod"))
        ):
            continue
        name = f"gateway/{path.relative_to(ROOT)}::{code.co_qualname}"
        (closures if "<" in code.co_qualname else functions).append(name)
    return Walk(tuple(dict.fromkeys(functions)), tuple(dict.fromkeys(closures)))
