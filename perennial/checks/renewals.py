"""No renewal missed, none too early: every life is walked along the calendar (see `walk`)."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from sqlalchemy import Row, TextClause, text
from sqlalchemy.orm import Session

from perennial.checks.result import Finding, Outcome, Slice, outcome, sliced
from perennial.checks.walk import Life, Stretch, inspect, lateness
from perennial.domain.calendar import Interval, IntervalUnit
from perennial.engine.context import Engine

_PLANS = text("SELECT plan_code, version, interval_unit, interval_count FROM plan_versions ORDER BY plan_code, version")
# Who never changed has the plan of the row; the others' first plan is in their first entry.
_AGREED = sliced(
    """
SELECT t.subject_id, t.at, t.data ->> 'plan' AS plan, CAST(t.data ->> 'version' AS bigint) AS version
FROM timeline_entries t
WHERE t.kind IN ('created', 'plan_changed') AND WITHIN(t.subject_id) AND EXISTS (
    SELECT FROM timeline_entries c WHERE c.subject_id = t.subject_id AND c.kind = 'plan_changed')
ORDER BY t.at, t.step, t.position
"""
)
_CLOSINGS = sliced(
    "SELECT subject_id, CAST(data ->> 'at' AS timestamptz) AS at FROM timeline_entries "
    "WHERE kind = 'cancellation_scheduled' AND WITHIN(subject_id)"
)
_REVIVALS = sliced("SELECT subject_id, at FROM timeline_entries WHERE kind = 'reactivated' AND WITHIN(subject_id)")
_GIVEN_UP = sliced(
    """
SELECT DISTINCT s.id FROM subscriptions s JOIN invoices i ON i.subscription_id = s.id
WHERE i.status IN ('void', 'uncollectible') AND i.closed_at = s.ended_at AND WITHIN(s.id)
"""
)
_LIVES = sliced(
    """
SELECT s.id, s.created_at, s.ended_at, s.timezone, s.plan_code, s.plan_version, c.now AS clock, s.parked_at,
       p.starts_at, p.ends_at, p.kind, p.period_no
FROM subscriptions s JOIN service_spans p ON p.subscription_id = s.id
LEFT JOIN test_clocks c ON c.id = s.test_clock_id
WHERE WITHIN(s.id)
ORDER BY s.id, p.starts_at
"""
)
_BATCH = 5_000

Agreed = dict[str, list[tuple[datetime, Interval]]]


def renewals_on_time(session: Session, engine: Engine, part: Slice) -> Outcome:
    """Each period ends where the calendar says, and the next one begins there; nothing that was due is missing."""
    due, missed, findings = 0, 0, []
    lives = 0
    for life in _lives(session, engine, part):
        verdict = inspect(life)
        lives, due, missed = lives + 1, due + verdict.due, missed + verdict.missed
        findings += [Finding(life.id, problem) for problem in verdict.problems]
    seen = f"{due} renewals of {lives} subscriptions"
    return outcome(seen, findings, renewals_due=due, missed_renewals=missed)


def _lives(session: Session, engine: Engine, part: Slice) -> Iterator[Life]:
    """A life at a time, so that memory holds no more than that."""
    plans = {
        (row.plan_code, row.version): Interval(IntervalUnit(row.interval_unit), row.interval_count)
        for row in session.execute(_PLANS)
    }
    here = {"after": part.after, "until": part.until}
    agreed = _agreed(session, plans, here)
    closings, revivals = _instants(session, _CLOSINGS, here), _instants(session, _REVIVALS, here)
    given_up = set(session.scalars(_GIVEN_UP, here))
    late = engine.clock() - lateness(engine)
    rows = session.execute(_LIVES, here, execution_options={"yield_per": _BATCH})
    for subscription, group in groupby(rows, key=lambda row: row.id):
        spans = list(group)
        first = spans[0]
        changes = agreed.get(subscription) or [(first.created_at, plans[first.plan_code, first.plan_version])]
        yield Life(
            id=subscription,
            created_at=first.created_at,
            ended_at=first.ended_at,
            timezone=first.timezone,
            reached=min(first.clock or late, first.parked_at or datetime.max.replace(tzinfo=UTC)),
            stretches=tuple(_stretch(row) for row in spans),
            intervals=changes,
            closings=frozenset(closings.get(subscription, ())),
            revivals=frozenset(revivals.get(subscription, ())),
            given_up=subscription in given_up,
        )


def _stretch(row: Row[Any]) -> Stretch:
    return Stretch(row.starts_at, row.ends_at, row.kind, row.period_no)


def _agreed(session: Session, plans: dict[tuple[str, int], Interval], here: dict[str, Any]) -> Agreed:
    newest = {code: interval for (code, _), interval in plans.items()}
    agreed: Agreed = defaultdict(list)
    for row in session.execute(_AGREED, here):
        # An entry without a version means the newest: versions of one plan hardly ever differ in their interval.
        interval = plans[row.plan, row.version] if row.version else newest[row.plan]
        agreed[row.subject_id].append((row.at, interval))
    return agreed


def _instants(session: Session, statement: TextClause, here: dict[str, Any]) -> dict[str, list[datetime]]:
    found: dict[str, list[datetime]] = defaultdict(list)
    for row in session.execute(statement, here):
        found[row.subject_id].append(row.at)
    return found
