"""What holds for all tests."""

from __future__ import annotations

import logging

from hypothesis import settings

# How long one example takes says something of the machine: no example has a deadline.
settings.register_profile("gateway", deadline=None)
# To search at length: pytest --hypothesis-profile=long.
settings.register_profile("long", deadline=None, max_examples=1000)
settings.load_profile("gateway")

# A server that goes is an argument of gRPC's own log record at DEBUG: whoever keeps that record, as caplog does,
# crashes with it.
logging.getLogger("grpc._cython.cygrpc").setLevel(logging.INFO)
