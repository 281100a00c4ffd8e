"""Who releases go to, a folder a kind of recipient: its settings, which the policy reads, and its exporter.

An exporter only knows how to send one batch. No queue, no retry, no decision: see `delivery` and `pipeline`.
"""
