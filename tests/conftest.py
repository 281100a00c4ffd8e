"""What holds for all tests."""

from __future__ import annotations

import logging

# A server that goes is an argument of gRPC's own log record at DEBUG: whoever keeps that record, as caplog does, crashes with it.
logging.getLogger("grpc._cython.cygrpc").setLevel(logging.INFO)
