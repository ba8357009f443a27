"""TCP ports on this machine."""

import socket
from collections.abc import Callable


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: TIME_WAIT does not count as taken
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def free_port(host: str = "127.0.0.1") -> int:
    """Some port that nobody listens on now. Another process can take it before it is used: callers try again."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
    return port


def choose_port(wanted: int | None, what: str, say: Callable[[str], None], host: str = "127.0.0.1") -> int:
    """The port asked for when it is free, else another one, and a word about it."""
    if wanted and is_free(wanted, host):
        return wanted
    port = free_port(host)
    if wanted:
        say(f"Port {wanted} is taken: {what} uses {port}.")
    return port
