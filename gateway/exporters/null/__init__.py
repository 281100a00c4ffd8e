"""Nothing is kept: for tests and for trying a policy."""
