"""What the relay relies on, over every channel."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy import Engine, select

from perennial.db.engine import make_sessions
from perennial.db.models import MailboxMessage
from perennial.notifications.mailbox import LocalMailbox
from perennial.notifications.port import Notification, Notifier
from tests.support.databases import own_database


@dataclass(frozen=True)
class Channel:
    """`delivered` tells what has arrived under a key, as (recipient, subject, body)."""

    notifier: Notifier
    delivered: Callable[[str], list[tuple[str, str, str]]]


def mailbox(engine: Engine) -> Channel:
    MailboxMessage.__table__.create(engine)
    sessions = make_sessions(engine)

    def delivered(key: str) -> list[tuple[str, str, str]]:
        columns = select(MailboxMessage.recipient, MailboxMessage.subject, MailboxMessage.body)
        with sessions() as session:
            return [tuple(row) for row in session.execute(columns.where(MailboxMessage.key == key))]

    return Channel(LocalMailbox(sessions, lambda: datetime.now(UTC)), delivered)


CHANNELS: dict[str, Callable[[Engine], Channel]] = {"mailbox": mailbox}


@pytest.fixture(scope="module", params=CHANNELS)
def channel(request: pytest.FixtureRequest, database_url: str) -> Iterator[Channel]:
    with own_database(database_url) as engine:
        yield CHANNELS[request.param](engine)


@pytest.fixture
def message() -> Notification:
    return Notification(
        key=f"notify:receipt:{uuid4()}",
        kind="receipt",
        customer_id="cus_ada",
        recipient="ada@example.com",
        subject="Receipt: ¥1000",
        body="Hello Ada,\n\n…\n",
        occurred_at=datetime(2031, 1, 31, tzinfo=UTC),
    )


def test_the_channel_is_a_notifier(channel: Channel) -> None:
    assert isinstance(channel.notifier, Notifier)
    assert channel.notifier.name


def test_a_message_arrives_as_it_was_written(channel: Channel, message: Notification) -> None:
    channel.notifier.deliver(message)
    assert channel.delivered(message.key) == [(message.recipient, message.subject, message.body)]


def test_a_repeated_key_delivers_nothing_more(channel: Channel, message: Notification) -> None:
    channel.notifier.deliver(message)
    channel.notifier.deliver(replace(message, body="other words\n"))
    assert channel.delivered(message.key) == [(message.recipient, message.subject, message.body)]


def test_a_message_to_somebody_who_is_no_customer(channel: Channel, message: Notification) -> None:
    channel.notifier.deliver(replace(message, customer_id=None))
    assert len(channel.delivered(message.key)) == 1
