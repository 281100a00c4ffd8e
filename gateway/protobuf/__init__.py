"""What is asked of protobuf's runtime: message classes, parsing within bounds, the wire format.

Nothing is decided here, and nothing of a policy is known.
"""
