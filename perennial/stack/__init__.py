"""The embedded stack and the supervision of child processes."""

from perennial.stack.process import ChildProcess, StackError
from perennial.stack.stack import Stack

__all__ = ["ChildProcess", "Stack", "StackError"]
