"""A TCP port on the loopback address."""

from __future__ import annotations

import socket
from pathlib import Path

ADDRESS = "127.0.0.1"


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` of the loopback address now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except OSError:
            return False
    return True


def remembered_port(file: Path) -> int:
    """The port noted in `file` if it is still free, else a new one, which is noted there."""
    try:
        port = int(file.read_text())
    except (FileNotFoundError, ValueError):
        port = 0
    if not port or not is_free(port):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind((ADDRESS, 0))
            port = probe.getsockname()[1]
        file.write_text(f"{port}\n")
    return port
