"""Who a release is sent to, one file a recipient; each only knows how to send one batch.

No queue, no retry, no decision: those belong to `delivery` and `minimise`.
"""
