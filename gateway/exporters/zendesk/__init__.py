"""Zendesk's tickets."""
