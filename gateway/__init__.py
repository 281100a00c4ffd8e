"""A sidecar that minimises what a Kannelle service says to logs, vendors and other services."""

__version__ = "0.1.0"
