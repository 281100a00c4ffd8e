"""Segment's batch API, which RudderStack has too."""
