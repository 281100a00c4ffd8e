"""Prints all figures."""

from tests.bench import end_to_end, hop, in_process, otlp, outbox, worst_shapes

if __name__ == "__main__":
    in_process.run()
    worst_shapes.run()
    end_to_end.run()
    hop.run()
    otlp.run()
    outbox.run()
