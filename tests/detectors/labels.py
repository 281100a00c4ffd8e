"""What a few detectors alone find in a text, so that a test of one kind says nothing of the others.

And what is surely technical in it.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.detectors.decode import decodings
from gateway.detectors.detect import LABELS, SCANS
from gateway.detectors.spans import blank
from gateway.detectors.technical import technical_spans
from gateway.model import Detector


def with_labels(text: str, kinds: Sequence[Detector]) -> str:
    """Return `text` with what these detectors find, in anything it encodes, replaced by the name of the kind."""
    found = (
        (*decoding.origin(*span), LABELS[kind])
        for decoding in decodings(text)
        for kind in kinds
        for span in SCANS[kind](decoding)
    )
    marks = sorted(found, key=lambda mark: (mark[0], -mark[1]))
    parts, done = [], 0
    for start, end, label in marks:
        if start >= done:
            parts += [text[done:start], label]
        done = max(done, end)
    return "".join((*parts, text[done:]))


def without_technical(text: str) -> str:
    """Return folded text with a `~` in place of each character of what is surely technical."""
    return blank(text, technical_spans(text))


def is_technical(token: str) -> bool:
    """Whether all of a text is one shape."""
    return list(technical_spans(token)) == [(0, len(token))]
