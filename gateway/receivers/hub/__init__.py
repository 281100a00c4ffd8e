"""A hub's end of agents' streams."""
