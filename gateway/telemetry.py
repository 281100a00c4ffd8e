"""The gateway's own metrics: what is counted, under which names, and how Prometheus reads it. No label or number here comes from a field.

Counts are whole numbers in dicts that OpenTelemetry reads when it is asked: its own `Counter.add` costs about 10 µs, a dict 0.3 µs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import product
from typing import Final, Literal, get_args

import msgspec
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from gateway.policy.document import Mode, Side
from gateway.policy.vocabulary import Code

What = Literal["policy", "tls"]
"""What is reloaded by itself: the policy with its contracts and approvals, or the keys and certificates."""

Outcome = Literal["ok", "failed"]

CODES: Final = frozenset(("OK", *get_args(Code)))
"""The codes a call can end with, as gRPC names them."""

_DIGITS: Final = 12
"""How many hexadecimal digits of a digest make a number that a Prometheus float holds exactly."""


class State(msgspec.Struct, frozen=True):
    """Whether what is in force is what the files say.

    `since`: when it was loaded, or if not `ok`, when a load first failed since. `reason` is then the error's text, or its type's name.
    """

    subject: What
    ok: bool
    since: datetime
    reason: str = ""


class Telemetry:
    """The metrics of one gateway, `privacy_gateway_*`. All methods but `exposition` are for the event loop's thread."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        # `_total` and the like are added on the way out. No target_info and no scope: they would carry the environment's words.
        reader = PrometheusMetricReader(disable_target_info=True, scope_info_enabled=False, registry=self._registry)
        self._provider = MeterProvider([reader], Resource.get_empty(), shutdown_on_exit=False)
        self._reloads = _Tally(("subject", "outcome"), get_args(What), get_args(Outcome))
        self._failed = _Tally(("subject",), get_args(What))
        self._hash = _Tally(())
        self._calls = _Tally(("listener", "code", "mode"), Side, sorted(CODES), Mode)
        self._stripped = _Tally(())
        self._dropped = _Tally(())
        self._register()

    def _register(self) -> None:
        meter = self._provider.get_meter("gateway")
        for name, tally, about in (
            ("reloads", self._reloads, "Loads of changed files, by how they ended"),
            ("proxy_calls", self._calls, "Calls carried between services that have ended"),
            ("proxy_fields_stripped", self._stripped, "Fields stripped from messages of calls between services"),
            ("access_log_dropped", self._dropped, "Entries of the access log that could not be written"),
        ):
            meter.create_observable_counter(f"privacy_gateway_{name}", [tally], description=about)
        for name, tally, about in (
            ("reload_failed", self._failed, "1 while the files on disk are not what is in force"),
            ("policy_hash", self._hash, "The first 48 bits of the digest of the policy in force, as a number"),
        ):
            meter.create_observable_gauge(f"privacy_gateway_{name}", [tally], description=about)

    def reloaded(self, what: What, outcome: Outcome) -> None:
        """Changed files were loaded, or could not be and what was in force stays."""
        self._reloads.add((what, outcome))
        self._failed.put((what,), int(outcome == "failed"))

    def in_force(self, digest: str) -> None:
        """A policy is in force; `digest` is in hexadecimal. Shown as a number, as Alertmanager's is: a label would make new series."""
        self._hash.put((), int(digest[:_DIGITS], 16))

    def proxied(self, listener: Side, code: str, mode: Mode) -> None:
        """A call between services ended with a code; any but gRPC's own counts as UNKNOWN."""
        self._calls.add((listener, code if code in CODES else "UNKNOWN", mode))

    def stripped(self, count: int) -> None:
        """So many fields were stripped from a call's messages."""
        self._stripped.add((), count)

    def access_log_dropped(self, count: int = 1) -> None:
        """So many entries of the access log were lost."""
        self._dropped.add((), count)

    def exposition(self) -> tuple[bytes, str]:
        """All metrics as Prometheus reads them, and the content type: the text format, version 0.0.4."""
        return generate_latest(self._registry), CONTENT_TYPE_PLAIN_0_0_4

    def close(self) -> None:
        """Let go of the instruments; `exposition` is empty from then on."""
        self._provider.shutdown()


class _Tally:
    """Whole numbers by labels whose values are known from the start: a series can't come into being later."""

    def __init__(self, labels: Sequence[str], *values: Iterable[str]) -> None:
        self._counts = dict.fromkeys(product(*values), 0)
        self._labels = {key: dict(zip(labels, map(str, key), strict=True)) for key in self._counts}

    def add(self, key: tuple[str, ...], count: int = 1) -> None:
        self._counts[key] += count

    def put(self, key: tuple[str, ...], value: int) -> None:
        self._counts[key] = value

    def __call__(self, _: CallbackOptions) -> list[Observation]:
        return [Observation(count, self._labels[key]) for key, count in self._counts.items()]
