"""An agent's side of its hub: the stream, who hands over on it, and how it does."""
