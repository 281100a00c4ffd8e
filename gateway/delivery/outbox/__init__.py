"""The outbox: what was acknowledged and is not delivered yet, in SQLite."""
