"""A TCP port that nobody listens on, for a program that cannot choose one by itself."""

import socket


def free_port() -> int:
    """On 127.0.0.1; somebody else may take it before it is used."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
