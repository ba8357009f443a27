"""What the unused rest of a subscription's period is worth."""

from datetime import datetime

from perennial.domain.calendar import Period
from perennial.domain.proration import partial_period
from perennial.domain.subscription.state import State


def unused_amount(state: State, at: datetime) -> int:
    """Minor units of the running period from `at` to its end, in the plan's proration basis; never more than billed."""
    if at >= state.period.end:
        return 0
    rest = Period(max(at, state.period.start), state.period.end)
    unused = partial_period(
        state.period_amount,
        state.terms.proration,
        full=state.period,
        service=rest,
        timezone=state.timezone,
        interval=state.terms.interval,
    )
    return min(unused, state.creditable)
