"""OTLP, whoever carries it: its signals, requests split into items and joined again, and its JSON.

Nothing is decided here, and nothing is sent or received.
"""
