"""Living on when somebody presses "Request Cancellation" in the Temporal UI.

That button would end the workflow while its subscription lives, and the next renewal would be missed. Ending a
subscription is a command (`cancel`) with rules of its own; ending a run by force is `terminate`, and it is repaired.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from temporalio import workflow

T = TypeVar("T")


async def endure(life: Coroutine[Any, Any, T]) -> T:
    """Run `life` in a task of its own: a request to cancel the workflow reaches only this wait for it."""
    task = asyncio.create_task(life)
    while not task.done():
        try:
            await workflow.wait_condition(task.done)
        except asyncio.CancelledError:
            workflow.logger.warning("a request to cancel the workflow is ignored: use the command `cancel`")
    return task.result()
