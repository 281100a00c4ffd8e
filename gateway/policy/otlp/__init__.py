"""OTLP as a contract: every slot of its messages decided on, signal by signal.

A slot that isn't listed is stripped, and a test fails.
"""
