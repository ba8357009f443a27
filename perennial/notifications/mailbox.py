"""The local mailbox: a channel that keeps messages in a table, to be listed. The default on a developer's machine."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.dialects.postgresql import insert

from perennial.db.engine import Sessions, unit_of_work
from perennial.db.models import MailboxMessage
from perennial.domain.dunning import EMAIL
from perennial.notifications.port import Notification


class LocalMailbox:
    """`clock` tells machine time (aware UTC): when a message was put into the box. `channels` is what it stands for."""

    name = "mailbox"

    def __init__(self, sessions: Sessions, clock: Callable[[], datetime], channels: tuple[str, ...] = (EMAIL,)) -> None:
        self._sessions = sessions
        self._clock = clock
        self.channels = channels

    def deliver(self, message: Notification) -> None:
        statement = (
            insert(MailboxMessage)
            .values(
                key=message.key,
                kind=message.kind,
                channel=message.channel,
                customer_id=message.customer_id,
                recipient=message.recipient,
                subject=message.subject,
                body=message.body,
                delivered_at=self._clock(),
            )
            .on_conflict_do_nothing(index_elements=["key"])
        )
        with unit_of_work(self._sessions) as session:
            session.execute(statement)
