"""Mixpanel's import API."""
