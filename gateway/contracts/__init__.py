"""Contracts: protobuf descriptors in, the category of every field out. What may leave is not decided here."""
