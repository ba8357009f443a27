"""Empties the outbox: what was written with a fact is told to people, at least once each and once per channel.

A row names its channel. One that no notifier serves waits with that as its error until there is one: it is not lost,
and not sent by another channel, which has a row of its own if the policy wants it.

A row is locked while it is delivered, so several relays share the work. A channel remembers keys, so a relay that dies
between delivering and writing that down tells nothing twice. A row that cannot be delivered waits longer each time;
the others pass it by.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from urllib.parse import urljoin

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from perennial.db.engine import Sessions, unit_of_work
from perennial.db.models import OutboxMessage
from perennial.notifications.context import Batch
from perennial.notifications.port import DeliveryFailed, Notification, Notifier
from perennial.notifications.rendering import render
from perennial.observability import metrics

_FIRST_WAIT_SECONDS = 2
_LONGEST_WAIT_SECONDS = 3600
_LONGEST_ERROR = 500

_log = structlog.get_logger(__name__)


class Relay:
    """`clock` tells machine time (aware UTC). `base_url` is put before links that are only a path.

    `pay_url` makes the link by which an invoice is paid; without it no message has one.
    """

    def __init__(
        self,
        sessions: Sessions,
        notifiers: Sequence[Notifier],
        clock: Callable[[], datetime],
        *,
        base_url: str = "",
        pay_url: Callable[[str], str] | None = None,
    ) -> None:
        self._sessions = sessions
        self._notifiers = notifiers
        self._clock = clock
        self._base_url = base_url
        self._pay_url = pay_url

    def run_once(self, limit: int = 100) -> int:
        """Deliver what is due, oldest first, at most `limit` messages. Answers how many were taken up."""
        with unit_of_work(self._sessions) as session:
            messages = self._claim(session, limit)
            if not messages:
                return 0
            batch = Batch(session, messages)
            for message in messages:
                self._deliver(batch, message)
        return len(messages)

    def _claim(self, session: Session, limit: int) -> Sequence[OutboxMessage]:
        due = (
            select(OutboxMessage)
            .where(OutboxMessage.delivered_at.is_(None), OutboxMessage.next_attempt_at <= self._clock())
            .order_by(OutboxMessage.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        return session.scalars(due).all()

    def _deliver(self, batch: Batch, message: OutboxMessage) -> None:
        try:
            notification = self._write(batch, message)
            for notifier in self._serving(message.channel):
                notifier.deliver(notification)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one message must not stop the others
            self._postpone(message, error)
            metrics.delivered(ok=False)
            return
        message.delivered_at = self._clock()
        message.attempts += 1
        message.last_error = None
        metrics.delivered(ok=True)

    def _serving(self, channel: str) -> list[Notifier]:
        serving = [notifier for notifier in self._notifiers if channel in notifier.channels]
        if not serving:
            raise DeliveryFailed(f"no notifier serves the channel {channel!r}")
        return serving

    def _write(self, batch: Batch, message: OutboxMessage) -> Notification:
        address = batch.address(message)
        if address is None:
            raise DeliveryFailed(f"nobody to tell: customer {message.customer_id}")
        rendered = render(message.kind, batch.facts(message, address, self._absolute, self._pay_url))
        return Notification(
            key=message.key,
            kind=message.kind,
            customer_id=address.customer_id,
            recipient=address.email,
            subject=rendered.subject,
            body=rendered.body,
            occurred_at=message.occurred_at,
            channel=message.channel,
        )

    def _postpone(self, message: OutboxMessage, error: Exception) -> None:
        wait = min(_FIRST_WAIT_SECONDS * 2 ** min(message.attempts, 20), _LONGEST_WAIT_SECONDS)
        message.attempts += 1
        message.next_attempt_at = self._clock() + timedelta(seconds=wait)
        message.last_error = f"{type(error).__name__}: {error}"[:_LONGEST_ERROR]
        _log.warning("message_not_delivered", key=message.key, attempts=message.attempts, error=message.last_error)

    def _absolute(self, link: str) -> str:
        return urljoin(f"{self._base_url.rstrip('/')}/", link.lstrip("/")) if self._base_url else link
