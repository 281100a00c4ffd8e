"""What containers of the tests run, in Python. A file is in a ConfigMap, and mounted."""

from __future__ import annotations

from pathlib import Path
from typing import Final

PYTHON: Final = "/opt/privacy-gateway/bin/python"
FOLDER: Final = Path(__file__).parent
