"""The subscription state machine: pure, total, and the same for the live workflow, previews and simulations."""

from perennial.domain.subscription.decide import act, begin, decide, resume_work, settle
from perennial.domain.subscription.due import Due, DueKind, next_due, wake_at
from perennial.domain.subscription.opening import Opening, open_subscription
from perennial.domain.subscription.state import State, Status

__all__ = [
    "Due",
    "DueKind",
    "Opening",
    "State",
    "Status",
    "act",
    "begin",
    "decide",
    "next_due",
    "open_subscription",
    "resume_work",
    "settle",
    "wake_at",
]
