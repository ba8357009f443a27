"""The relay process: messages out of the outbox, alerts into it, and the webhooks of gateways without servers.

It is the composition root of all. They share a process because each is small and only waits for rows.
"""

import signal
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from threading import Event, current_thread, main_thread

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from perennial import links
from perennial.config import Settings, load_settings
from perennial.db.engine import Sessions, make_engine, make_sessions
from perennial.gateways.registry import build_dispatchers, build_gateways, prepare_gateways
from perennial.notifications.mailbox import LocalMailbox
from perennial.notifications.relay import Relay
from perennial.notifications.usage_alerts import UsageAlerts
from perennial.observability import serving
from perennial.observability.gauges import BackupAge, DatabaseGauges
from perennial.observability.health import Part
from perennial.observability.in_time import InTime

# How long an empty outbox is left alone. Three small queries a round.
IDLE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 10.0
_PATIENCE_SECONDS = 3.0

_log = structlog.get_logger(__name__)


def main(settings: Settings | None = None, stop: Event | None = None) -> None:
    """Run until SIGTERM or SIGINT, or until `stop` is set. What is being delivered is finished first."""
    settings = settings or load_settings()
    stop = stop or Event()
    _stop_on_signals(stop)
    engine = make_engine(settings.require_database_url(), pool_size=4)
    sessions = make_sessions(engine)
    gateways = build_gateways(settings, engine)
    dispatchers = build_dispatchers(settings, engine)
    mailbox = LocalMailbox(sessions, _now, settings.mailbox_channels)
    pay_url = partial(links.pay_url, settings)
    relay = Relay(sessions, (mailbox,), _now, base_url=links.public_url(settings), pay_url=pay_url)
    alerts = UsageAlerts(sessions, _now)
    pumps = (relay.run_once, alerts.run_once, *(dispatcher.run_once for dispatcher in dispatchers))
    _log.info("relay_started", gateways=gateways.names)
    gauges = (DatabaseGauges(settings, sessions), BackupAge(settings.backup_dir))
    try:
        with serving(settings, partial(_parts, InTime(partial(_ask, sessions), _PATIENCE_SECONDS)), gauges):
            pump(pumps, stop, prepare=lambda: prepare_gateways(gateways))
    finally:
        for dispatcher in dispatchers:
            dispatcher.close()
        engine.dispose()
    _log.info("relay_stopped")


def pump(pumps: Sequence[Callable[[], int]], stop: Event, *, prepare: Callable[[], None] = lambda: None) -> None:
    """Prepare, then run each in turn until `stop`; rest when none had anything to do.

    A database that is away, or not migrated yet, is waited for: a relay may be started before it.
    """
    pause, is_prepared = IDLE_SECONDS, False
    while not stop.is_set():
        try:
            if not is_prepared:
                prepare()
                is_prepared = True
            busy = sum([run_once() for run_once in pumps])
        except SQLAlchemyError as error:
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
            _log.warning("relay_waits_for_database", error=type(error).__name__, seconds=pause)
            stop.wait(pause)
            continue
        pause = IDLE_SECONDS
        if not busy:
            stop.wait(pause)


def _ask(sessions: Sessions) -> None:
    with sessions() as session:
        session.execute(text("SELECT 1"))


def _parts(ask: Callable[[], None]) -> list[Part]:
    """A relay stands on the database alone."""
    try:
        ask()
    except TimeoutError:
        return [Part("postgresql", ok=False, detail="no answer within three seconds")]
    except SQLAlchemyError:
        return [Part("postgresql", ok=False, detail="PostgreSQL is away")]
    return [Part("postgresql", ok=True)]


def _stop_on_signals(stop: Event) -> None:
    if current_thread() is main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())


def _now() -> datetime:
    return datetime.now(UTC)
