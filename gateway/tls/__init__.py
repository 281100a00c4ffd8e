"""The gateway's certificate, its key and whom it trusts.

Read from files, checked against each other, and handed to gRPC anew when they change.

See `receivers/caller.py` for who a caller is by its certificate, `reload.py` for when files are read again.
"""

from __future__ import annotations

from gateway.tls.certificates import Certificates
from gateway.tls.files import BadTls, examine, parse_certificates, read
from gateway.tls.material import Expiry, Material, Validity

__all__ = ["BadTls", "Certificates", "Expiry", "Material", "Validity", "examine", "parse_certificates", "read"]
