"""What a process would log, line by line, as machines read it."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

import structlog

from perennial.config import Settings
from perennial.observability import configure_logging

Lines = Callable[[], list[dict[str, Any]]]


@contextmanager
def logged(level: str = "info") -> Iterator[Lines]:
    """Logging as `perennial worker` has it, until the block ends."""
    root, written = logging.getLogger(), io.StringIO()
    before = root.handlers[:], root.level
    with redirect_stdout(written):
        configure_logging(Settings(_env_file=None, log_format="json", log_level=level), "tester")
        # A logger of a module that was kept for good would go on so after the block.
        structlog.configure(cache_logger_on_first_use=False)
    try:
        yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    finally:
        root.handlers, root.level = before
        structlog.reset_defaults()
        structlog.contextvars.clear_contextvars()
