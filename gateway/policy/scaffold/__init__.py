"""A first policy for contracts that have none."""
