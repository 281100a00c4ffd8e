"""Nested attributes against a slow, obvious oracle: what is at a path is judged by the rule of that path."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs

from gateway.engine.reference import ReferenceEngine
from gateway.otlp.signals import LOGS
from gateway.policy.compile import Compiler
from tests.support.contracts import compiler, release_of
from tests.support.otlp_attributes import any_value, key_values

MORE: Final = """\
otlp:
  attributes:
    a.b: {category: OPERATIONAL, one_of: [v1]}
    a.b.c.d: {category: OPERATIONAL, min: 0, max: 9}
    b: {category: OPERATIONAL, one_of: [v1, v2]}
    c.*: OPERATIONAL
    c.b.*: NAME
    c.d: NAME
    c.a.b: {category: OPERATIONAL, one_of: [v2]}
    d.*: {category: OPERATIONAL, min: 0, max: 9}
"""
EXACT: Final = {"a.b": ("v1",), "a.b.c.d": range(10), "b": ("v1", "v2"), "c.d": (), "c.a.b": ("v2",)}
PREFIXES: Final[dict[str, Any]] = {"c.": ("v1", "v2", 1, 10, True, 0.5), "c.b.": (), "d.": range(10)}

SCALARS: Final = st.sampled_from(("v1", "v2", "x y", "ana@acme.example", 1, 10, 33612345678, True, 0.5))
KEYS: Final = st.sampled_from(
    (
        "a",
        "b",
        "c",
        "d",
        "a.b",
        "b.c",
        "c.d",
        "c.a",
        "x",
        "",
        "ana@acme.example",
        "password",
        "email",
        "lat",
        "pan",
        "d e",
    )
)
VALUES: Final = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=12
)


def left_at(path: str, value: Any) -> Any:
    """What is left of the value at a path; None if nothing is."""
    allowed = allowed_at(path)
    if isinstance(value, dict):
        leads = any(key.startswith(f"{path}.") for key in (*EXACT, *PREFIXES))
        if (allowed is None and not leads) or (allowed is not None and not allowed) or (path in EXACT and not leads):
            return None
        return entries(f"{path}.", value) or None
    if not allowed:
        return None
    if isinstance(value, list):
        return [kept for one in value if not isinstance(one, list) and (kept := left_at(path, one)) is not None] or None
    return value if any(value == one and type(value) is type(one) for one in allowed) else None


def entries(above: str, values: dict[str, Any]) -> dict[str, Any]:
    return {key: kept for key, value in values.items() if (kept := left_at(above + key, value)) is not None}


def allowed_at(path: str) -> Any:
    """The values that a path's rule lets pass; None if there is no rule."""
    if path in EXACT:
        return EXACT[path]
    odd = any(part in path for part in ("@", " ", "password", "email", "lat")) or path[:1] in ("", ".")
    under = [prefix for prefix in PREFIXES if path.startswith(prefix)]
    return PREFIXES[max(under, key=len)] if under and not odd else None


@cache
def engine() -> ReferenceEngine:
    made: Compiler = compiler("message M {}", MORE)
    return ReferenceEngine(made.plan(LOGS.item, "eu-indirect"))


def logged(attributes: dict[str, Any], body: dict[str, Any]) -> bytes:
    record = LogRecord(attributes=key_values(attributes), body=any_value(body) if body else None)
    return ResourceLogs(scope_logs=[ScopeLogs(log_records=[record])]).SerializeToString()


@settings(max_examples=1500, deadline=None)
@given(st.dictionaries(KEYS, VALUES, max_size=4), st.dictionaries(KEYS, VALUES, max_size=4))
def test_what_is_left_is_what_the_oracle_leaves(attributes: dict[str, Any], body: dict[str, Any]) -> None:
    wanted = logged(entries("", attributes), entries("", body))
    for _ in range(2):
        assert release_of(engine(), logged(attributes, body)).payload == wanted
