"""What containers of the tests run, in Python. A file is in a ConfigMap, and mounted."""

from __future__ import annotations

from pathlib import Path
from typing import Final

PYTHON: Final = "/opt/privacy-gateway/bin/python"
FOLDER: Final = Path(__file__).parent

IDLE_SAID: Final = b"idle"
IDLE: Final = """
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
print("idle", flush=True)
signal.sigwait([signal.SIGTERM])
"""
"""Waits for SIGTERM, which a container's first process gets only once it has said what it does then."""
