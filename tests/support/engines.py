"""One decision of an engine, as the pipeline has it."""

from __future__ import annotations

from gateway.engine.interface import Engine
from gateway.model import Facts, Verdict
from gateway.pipeline.flows import SingleEngine


def decide_one(engine: Engine, raw: bytes, facts: Facts) -> Verdict:
    """The verdict on one item. Raises Refused."""
    return SingleEngine(engine).decide(raw, facts)
