"""JSON lines into files, or to standard output."""
