"""What a process says when it is asked whether it is ready."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """A part that a process stands on. `detail` says what is wrong, in words that may be shown to anybody."""

    name: str
    ok: bool
    detail: str = ""


Ready = Callable[[], Sequence[Part]]
"""Looks at every part. It is called in a thread of its own and answers within a few seconds."""
