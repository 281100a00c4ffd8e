"""Why something that is reported doesn't arrive, where its key's category in the policy doesn't say so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

KEYS: Final[Mapping[str, str]] = {
    "dropped": "what Java's SDK counts of itself, under a key that any program may have",
    "success": "what Java's SDK counts of itself, under a key that any program may have",
    "faas.instance": "a log stream or random digits, in which anything may hide",
    "event name": "a file and a line with a blank before them: no token",
    "span event": "a text, of Rust's tracing: its log record arrives with it where it is listed",
}
"""By key, or by what slot it is: nothing of it arrives."""

VALUES: Final[Mapping[tuple[str, str], str]] = {
    ("server.address", '"127.0.0.1"'): "an IP address; a name arrives",
    ("cloud.account.id", '"111122223333"'): "twelve digits, which may be a phone number's",
    ("cloud.account.id", '"123456789012"'): "twelve digits, which may be a phone number's",
    ("host.name", '"examplevmname"'): "a machine's own name, which may be its owner's",
    ("azure.vm.scaleset.name", '"crpteste9vflji9"'): "letters and digits at random, in which anything may hide",
    ("gcp.gce.instance.hostname", '"my-host1234.example.com"'): "a name under any domain: one of Google's own arrives",
    ("http.route", '""'): "empty",
    ("type", "1"): "of a key that any program may have: only listed words arrive",
    ("span name", "POST /v1/exports"): "a path without a parameter, in a span that doesn't say that it is a route",
}
"""By value, where others of the same key arrive."""
