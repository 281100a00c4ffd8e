"""OTLP over gRPC to a collector."""
