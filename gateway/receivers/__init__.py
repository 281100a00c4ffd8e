"""gRPC in: calls are taken apart into items and answered. What leaves is decided in `minimise`, sent by `delivery`."""
