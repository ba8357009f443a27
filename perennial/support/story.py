"""The whole story of a subscription for support: its timeline, what support did, what fails, what it waits for."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from perennial.checks.look import Run, look_at
from perennial.db.models import Subscription, SupportAction
from perennial.domain import subscription as core
from perennial.domain.subscription.due import all_due
from perennial.engine import states, timeline
from perennial.engine.context import Engine

_WORDS = {
    core.DueKind.RENEWAL: "the period ends: the next one is billed",
    core.DueKind.TRIAL_END: "the trial ends: the first period is billed",
    core.DueKind.PAYMENT_RETRY: "the open invoice is tried again, by the dunning schedule",
    core.DueKind.PAYMENT_OVERDUE: "the invoice that was sent becomes overdue",
    core.DueKind.GRACE_END: "the grace period ends: access is suspended",
    core.DueKind.DUNNING_END: "dunning ends: the policy's final action",
    core.DueKind.EXPIRY: "it expires, because the first payment was never settled",
    core.DueKind.CANCELLATION: "it ends, as somebody asked",
    core.DueKind.PAUSE: "it pauses, as somebody asked",
    core.DueKind.RESUME: "it resumes, as somebody asked",
    core.DueKind.CHANGE: "the scheduled change is made",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """`at` is domain time, of what support did the machine's (UTC). `when`: past, now or ahead."""

    at: datetime
    kind: str
    actor: str
    text: str
    when: str = "past"
    data: dict[str, Any] = field(default_factory=dict)


async def story(engine: Engine, subject: str) -> list[Entry]:
    """Oldest first, what is ahead last. Raises NotFound, EngineUnavailable."""
    told = await timeline.timeline(engine, subject)
    now = await look_at(engine, subject)
    past = [Entry(each.at, each.kind, each.actor, each.text, data=each.data) for each in told]
    done, ahead = await engine.read(lambda session: (_support(session, subject), _ahead(session, subject)))
    return [*sorted([*past, *done], key=lambda entry: entry.at), *_failing(engine, now), *ahead]


def _support(session: Session, subject: str) -> list[Entry]:
    rows = session.scalars(select(SupportAction).where(SupportAction.subject == subject))
    return [
        Entry(
            row.at,
            f"support_{row.action}",
            row.actor,
            f"{row.action} ({row.reason}): {row.outcome or 'was cut off'}",
            data={"support_action": row.id},
        )
        for row in rows
    ]


def _failing(engine: Engine, now: Run) -> list[Entry]:
    return [
        Entry(
            failing.next_try_at or engine.clock(),
            "activity_failing",
            "engine",
            f"{failing.activity} fails (attempt {failing.attempt}): {failing.cause}",
            "now",
        )
        for failing in now.failing
    ]


def _ahead(session: Session, subject: str) -> list[Entry]:
    """The timers: what it will do by itself, if nothing comes between. The first is the one that it sleeps for."""
    row = session.get(Subscription, subject)
    if row is None:
        return []
    state = states.current(session, row)
    if state.parked_at:
        return [Entry(state.parked_at, "parked", "support", "it is parked: nothing happens by itself", "now")]
    due = sorted(all_due(state), key=lambda each: each.at)
    entries = []
    for each in due:
        words = _WORDS.get(each.kind, f"a message: {each.kind.value.replace('_', ' ')}")
        wakes = core.wake_at(state, each)
        slot = "" if wakes == each.at else f" (wakes at {wakes:%H:%M:%S}, its slot)"
        entries.append(Entry(each.at, each.kind.value, "timer", words + slot, "ahead"))
    return entries
