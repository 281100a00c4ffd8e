"""The words that logging libraries have for how severe a record is, with OpenTelemetry's numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SEVERITY_NUMBERS: Final[Mapping[str, int]] = {
    "TRACE": 1, "TRC": 1, "TRCE": 1, "FINEST": 1, "SILLY": 1, "VERBOSE": 1, "VRB": 1,
    "DEBUG": 5, "DBG": 5, "DBUG": 5, "DEBG": 5, "FINER": 5, "FINE": 6, "CONFIG": 7, "HTTP": 7,
    "INFO": 9, "INF": 9, "INFORMATION": 9, "INFORMATIONAL": 9, "NOTICE": 10, "SUCCESS": 10,
    "WARN": 13, "WRN": 13, "WARNING": 13,
    "ERROR": 17, "ERR": 17, "ERRO": 17, "FAIL": 17, "SEVERE": 17, "DPANIC": 18, "PANIC": 19, "PNC": 19, "ALERT": 19,
    "CRITICAL": 21, "CRIT": 21, "FATAL": 21, "FTL": 21, "EMERGENCY": 21, "EMERG": 21,
}  # fmt: skip
"""Severity numbers by word, in upper case.

See https://opentelemetry.io/docs/specs/otel/logs/data-model/#severity-fields and its appendix B.

CRITICAL as OpenTelemetry's Python SDK has it; FINE to CONFIG as its Java agent has java.util.logging's; VERBOSE as
Serilog and Android have it.
"""
