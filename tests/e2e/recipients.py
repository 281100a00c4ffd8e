"""What tests of changing policies watch with: recipients that note what comes and when, what was in force when."""

from __future__ import annotations

import json
import random
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Generic, Self, TypeVar

V = TypeVar("V")


def token(number: int) -> str:
    """A number in letters: nothing that looks like a phone's."""
    return "".join(chr(ord("a") + int(digit)) for digit in str(number))


class Item:
    """An item that came to a recipient: where, and when."""

    def __init__(self, where: str, drawn: Any, at: float) -> None:
        self.where = where
        self.key: str = drawn.get("key", "")
        self.type: str = drawn["type"]
        self.plan: str = drawn["plan"]
        self.message: dict[str, Any] = drawn["message"]
        self.fields = frozenset(self.message)
        self.token: str = self.message.get("op", "")
        self.at = at


class Web:
    """A recipient over HTTP that hangs and fails, until it is told to be well."""

    def __init__(self, seed: int) -> None:
        self.came: list[Item] = []
        """All items, also those of requests that failed."""
        self.accepted: list[Item] = []
        """Those that it has acknowledged."""
        self.well = threading.Event()
        self._random = random.Random(seed)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                at, body = time.monotonic(), self.rfile.read(int(self.headers["Content-Length"]))
                items = [Item(self.path, drawn, at) for drawn in json.loads(body)["items"]]
                outer.came += items
                fault = 1.0 if outer.well.is_set() else outer._random.random()
                if fault < 0.05:
                    outer.well.wait(3)
                elif fault < 0.15:
                    return self._answer(503)
                elif fault < 0.2:
                    self.close_connection = True
                    return None
                outer.accepted += items
                return self._answer(200)

            def _answer(self, status: int) -> None:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *given: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *given: None  # type: ignore[method-assign]  # who gives up hangs up
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.well.set()
        self._server.shutdown()
        self._server.server_close()


class History(Generic[V]):
    """What was in force, from when until when at most: a change is over once the gateway says so."""

    def __init__(self) -> None:
        self._spans: list[tuple[V, float, float]] = []

    def before(self, generation: V) -> None:
        """It may come into force from now on."""
        self._spans.append((generation, time.monotonic(), float("inf")))

    def after(self) -> None:
        """It has: what was before isn't any more."""
        now = time.monotonic()
        self._spans[:-1] = [(generation, begun, min(ended, now)) for generation, begun, ended in self._spans[:-1]]

    def withdraw(self) -> None:
        """It never did."""
        self._spans.pop()

    def within(self, begin: float, end: float) -> list[V]:
        """What may have been in force at some moment of a span."""
        return [generation for generation, begun, ended in self._spans if begun <= end and begin <= ended]

    @property
    def every(self) -> list[V]:
        """All that ever was."""
        return [generation for generation, _, _ in self._spans]
