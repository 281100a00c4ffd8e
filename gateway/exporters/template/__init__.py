"""Templates of requests to vendors, and where a placeholder may stand in them."""
