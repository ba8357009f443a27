"""Workflows of these tests alone."""

from datetime import UTC, datetime

from temporalio import workflow

# Not passed through, on purpose: the sandbox makes a copy of its own of every module and watches what the code touches.
# A domain that reads a clock, a file or the environment while it decides does not get through this.
from perennial.domain import subscription as core
from perennial.domain.subscription.commands import Cancel, When


@workflow.defn
class PlainDomain:
    """Decides as the real interpreter does, on the sandbox's own copy of the domain."""

    @workflow.run
    async def run(self, state: core.State) -> tuple[int, core.State, core.State]:
        """Which copy it was; the state after a year of renewals; the state after a cancellation at its end."""
        year = state
        for _ in range(12):
            due = core.next_due(year)
            assert due is not None
            year = core.act(year, due).state
        end = core.decide(year, Cancel(request_id="req", when=When.PERIOD_END), year.as_of).state
        return id(core.State), year, end


@workflow.defn
class Peeking:
    """Looks at the machine's clock."""

    @workflow.run
    async def run(self) -> datetime:
        return datetime.now(UTC)
