"""localstripe, a stateful stand-in for Stripe: a process of its own on loopback, which keeps nothing on disk.

It is GPL-3.0: started, never imported.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, Queue

from perennial.stack.process import ChildProcess

# Its own command binds every interface and shares one pickle file between all its instances.
_PROGRAM = """
import socket
from aiohttp import web
from localstripe import resources
resources.Store.dump_to_disk = lambda self: None
from localstripe.server import app
listener = socket.create_server(("127.0.0.1", 0))
print("port", listener.getsockname()[1], flush=True)
web.run_app(app, sock=listener, print=None, access_log=None)
"""
_START_SECONDS = 60


@contextmanager
def localstripe() -> Iterator[str]:
    """Its URL, while it runs."""
    lines: Queue[str] = Queue()
    process = ChildProcess("localstripe", [sys.executable, "-c", _PROGRAM], on_line=lines.put)
    process.start()
    try:
        yield f"http://127.0.0.1:{_port(lines)}"
    finally:
        process.stop()


def _port(lines: Queue[str]) -> int:
    seen = []
    while True:
        try:
            line = lines.get(timeout=_START_SECONDS)
        except Empty:
            raise RuntimeError("localstripe did not start:\n" + "\n".join(seen)) from None
        if line.startswith("port "):
            return int(line.split()[1])
        seen.append(line)
