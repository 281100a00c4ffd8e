"""Runs in a container: answers whoever calls its port, and waits for SIGTERM, as a service does: `python idle.py`.

The containers of a pod share the port.

A container's first process gets SIGTERM only once it has said what it does then.
"""

from __future__ import annotations

import signal
import socket
import threading

PORT = 8080
SAID = "waits"
ANSWER = b"answer"


def serve(listener: socket.socket) -> None:
    """Answer every connection."""
    while True:
        with listener.accept()[0] as connection:
            connection.sendall(ANSWER)


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    server = socket.create_server(("::", PORT), family=socket.AF_INET6, dualstack_ipv6=True, reuse_port=True)
    threading.Thread(target=serve, args=(server,), daemon=True).start()
    print(SAID, flush=True)
    signal.sigwait([signal.SIGTERM])
