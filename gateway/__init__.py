"""A sidecar that minimises what a Kannelle service says to logs, vendors and other services."""

import os

__version__ = "0.1.0"

# gRPC's core writes what peers say to standard error, below any logger of Python, and asks for this when it is first
# loaded.
os.environ["GRPC_VERBOSITY"] = "NONE"
os.environ.pop("GRPC_TRACE", None)
