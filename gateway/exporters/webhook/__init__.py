"""Signed posts to a URL of one's own."""
