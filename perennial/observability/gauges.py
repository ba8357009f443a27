"""What the database knows about how things stand, asked when somebody scrapes. The relay tells it, for everybody.

Several relays tell the same: rules and panels take the maximum. Test clocks are left out of what can be late.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Lock

import structlog
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from perennial.config import Settings
from perennial.db.engine import Sessions, unit_of_work
from perennial.observability.in_time import InTime

# Scrapes come from several Prometheus servers; the database is asked this often at most.
CACHE_SECONDS = 10.0
# A scrape must not wait longer: Prometheus would call the relay absent, where it is the database that does not answer.
PATIENCE_SECONDS = 3.0
# As `perennial check` has it: how late something due may be, the herd's window aside.
TOLERANCE = timedelta(minutes=5)
_STATEMENT_TIMEOUT = text("SET LOCAL statement_timeout = '5s'")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Gauge:
    """The statement answers the labels in their order, then the value."""

    name: str
    about: str
    statement: str
    labels: tuple[str, ...] = ()


_GAUGES = (
    _Gauge(
        "perennial_subscriptions",
        "Live subscriptions by status.",
        """SELECT status, CASE WHEN test_clock_id IS NULL THEN 'real' ELSE 'test' END, count(*)
           FROM subscriptions WHERE ended_at IS NULL GROUP BY 1, 2""",
        ("status", "clock"),
    ),
    _Gauge(
        "perennial_dunning_cases",
        "Subscriptions with an open dunning case, by the attempts made.",
        """SELECT dunning_attempt::text, count(*) FROM subscriptions
           WHERE ended_at IS NULL AND test_clock_id IS NULL AND dunning_attempt > 0 GROUP BY 1""",
        ("attempt",),
    ),
    _Gauge(
        "perennial_stuck",
        "What does not move although it should: overdue, never begun, a gift overdue, a payment without an answer.",
        """SELECT 'overdue', count(*) FROM subscriptions
           WHERE ended_at IS NULL AND test_clock_id IS NULL AND next_due_at < now() - :tolerance
           UNION ALL SELECT 'never_begun', count(*) FROM subscriptions
           WHERE ended_at IS NULL AND test_clock_id IS NULL AND step = 0 AND created_at < now() - :tolerance
           UNION ALL SELECT 'gift_overdue', count(*) FROM gifts
           WHERE test_clock_id IS NULL AND next_due_at < now() - :tolerance
           UNION ALL SELECT 'payment_unanswered', count(*)
           FROM payment_attempts a JOIN invoices i ON i.id = a.invoice_id
           LEFT JOIN subscriptions s ON s.id = i.subscription_id LEFT JOIN gifts g ON g.id = i.gift_id
           WHERE a.status = 'pending' AND a.started_at < now() - interval '15 minutes'
             AND s.test_clock_id IS NULL AND g.test_clock_id IS NULL""",
        ("cause",),
    ),
    _Gauge(
        "perennial_overdue_seconds",
        "By how much the latest renewal or other due thing is overdue, beyond the window within which all may wait.",
        """SELECT greatest(0, coalesce(extract(epoch FROM now() - :window - min(next_due_at)), 0)) FROM subscriptions
           WHERE ended_at IS NULL AND test_clock_id IS NULL AND next_due_at < now() - :window""",
    ),
    _Gauge(
        "perennial_outbox_messages",
        "Messages that are not delivered: waiting, or failing (three attempts and more).",
        """SELECT CASE WHEN attempts < 3 THEN 'waiting' ELSE 'failing' END, count(*)
           FROM outbox_messages WHERE delivered_at IS NULL GROUP BY 1""",
        ("state",),
    ),
    _Gauge(
        "perennial_outbox_age_seconds",
        "How long the oldest message has been ready to go out.",
        """SELECT coalesce(extract(epoch FROM now() - min(next_attempt_at)), 0) FROM outbox_messages
           WHERE delivered_at IS NULL AND next_attempt_at < now()""",
    ),
    _Gauge(
        "perennial_findings",
        "Open findings of the reconciliation and the scheduled checks, by what finds them.",
        "SELECT source, count(*) FROM findings WHERE resolved_at IS NULL GROUP BY 1",
        ("source",),
    ),
    _Gauge(
        "perennial_tour_timestamp_seconds",
        "When the last tour of the reconciler began that has looked at everything.",
        "SELECT name, extract(epoch FROM began_at) FROM tours",
        ("tour",),
    ),
    _Gauge(
        "perennial_disputes",
        "Charges that cardholders contested, by gateway and how the dispute stands.",
        "SELECT gateway, status, count(*) FROM disputes GROUP BY 1, 2",
        ("gateway", "status"),
    ),
    _Gauge(
        "perennial_webhook_age_seconds",
        "How long the oldest event of a gateway has been waiting to reach its subscription.",
        "SELECT coalesce(extract(epoch FROM now() - min(received_at)), 0) FROM webhook_events"
        " WHERE forwarded_at IS NULL",
    ),
)


class DatabaseGauges(Collector):
    """Asks at most every `CACHE_SECONDS`. While the database is away it says so and tells nothing old."""

    def __init__(self, settings: Settings, sessions: Sessions, clock: Callable[[], float] = time.monotonic) -> None:
        self._sessions = sessions
        self._window = timedelta(seconds=settings.renewal_window_seconds)
        self._clock = clock
        self._ask_all = InTime(self._look, PATIENCE_SECONDS)
        self._lock = Lock()
        self._told: tuple[float, list[GaugeMetricFamily]] | None = None

    def collect(self) -> Iterable[GaugeMetricFamily]:
        with self._lock:
            if self._told is None or self._clock() - self._told[0] >= CACHE_SECONDS:
                self._told = (self._clock(), self._families())
            return self._told[1]

    def _families(self) -> list[GaugeMetricFamily]:
        try:
            return [_up(1), *self._ask_all()]
        except (SQLAlchemyError, TimeoutError) as error:
            _log.warning("gauges_missing", error=type(error).__name__)
            return [_up(0)]

    def _look(self) -> list[GaugeMetricFamily]:
        with unit_of_work(self._sessions) as session:
            session.execute(_STATEMENT_TIMEOUT)
            return [self._ask(session, gauge) for gauge in _GAUGES]

    def _ask(self, session: Session, gauge: _Gauge) -> GaugeMetricFamily:
        family = GaugeMetricFamily(gauge.name, gauge.about, labels=gauge.labels)
        given = {"tolerance": TOLERANCE + self._window, "window": self._window}
        used = {name: value for name, value in given.items() if f":{name}" in gauge.statement}
        for *labels, value in session.execute(text(gauge.statement), used):
            family.add_metric([str(label) for label in labels], float(value))
        return family


class BackupAge(Collector):
    """When the newest finished backup was written. Nothing where no folder is set or none is there."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def collect(self) -> Iterable[GaugeMetricFamily]:
        if self._folder is None or not self._folder.is_dir():
            return []
        # Whose name ends in `.partial` is still being written; whatever else lies there (`lost+found`) is no backup.
        done = [path for path in self._folder.glob("perennial-*") if path.suffix != ".partial"]
        if not done:
            return []
        name, about = "perennial_backup_timestamp_seconds", "When the newest backup was finished."
        return [GaugeMetricFamily(name, about, value=max(path.stat().st_mtime for path in done))]


def _up(value: int) -> GaugeMetricFamily:
    return GaugeMetricFamily("perennial_database_up", "Whether the database could be asked.", value=value)
