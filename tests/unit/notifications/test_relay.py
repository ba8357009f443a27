"""Every message of the outbox arrives once, and one that cannot does not hold the others up."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import pytest
from sqlalchemy import Engine, select, update
from sqlalchemy.exc import OperationalError

from perennial import relay as process
from perennial.config import Settings
from perennial.db.engine import Sessions, unit_of_work
from perennial.db.models import Invoice, MailboxMessage, OutboxMessage
from perennial.db.repositories.records import write_messages
from perennial.domain.subscription.effects import Message
from perennial.notifications.mailbox import LocalMailbox
from perennial.notifications.port import DeliveryFailed, Notification
from perennial.notifications.relay import Relay
from tests.unit.notifications.world import NOW, say


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


class Broken:
    """A channel that fails for the given keys, so often."""

    name = "broken"
    channels = ("email",)

    def __init__(self, *keys: str, times: int = 1000) -> None:
        self.keys, self.times = keys, times

    def deliver(self, message: Notification) -> None:
        if message.key in self.keys and self.times:
            self.times -= 1
            raise DeliveryFailed("the provider is away")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def relay(sessions: Sessions, clock: Clock) -> Relay:
    return Relay(sessions, [LocalMailbox(sessions, clock)], clock, base_url="https://billing.example")


def mailbox(sessions: Sessions) -> list[MailboxMessage]:
    with sessions() as session:
        return list(session.scalars(select(MailboxMessage).order_by(MailboxMessage.id)))


def outbox(sessions: Sessions, key: str) -> OutboxMessage:
    with sessions() as session:
        return session.scalars(select(OutboxMessage).where(OutboxMessage.key == key)).one()


def test_messages_arrive_in_order_and_once(sessions: Sessions, relay: Relay, clock: Clock) -> None:
    keys = [say(sessions, "subscription_started", f"{n}", subscription_id="sub_ada") for n in range(5)]
    assert [relay.run_once(limit=3), relay.run_once(limit=3), relay.run_once()] == [3, 2, 0]
    assert [message.key for message in mailbox(sessions)] == keys
    told = outbox(sessions, keys[0])
    assert (told.delivered_at, told.attempts, told.last_error) == (clock.now, 1, None)


def test_a_message_knows_its_customer_plan_and_invoice(sessions: Sessions, relay: Relay) -> None:
    payload = {"invoice": "inv_1", "amount": "1999", "currency": "JPY", "code": "", "action_url": "/simulator/x"}
    say(sessions, "payment_action_required", "inv_1", payload, subscription_id="sub_ada")
    say(sessions, "subscription_started", "sub_ada", subscription_id="sub_ada")
    relay.run_once()
    action, started = mailbox(sessions)
    assert (action.recipient, action.customer_id) == ("ada@example.com", "cus_ada")
    assert "JPY 1999 for invoice INV-000001" in action.body
    assert "https://billing.example/simulator/x" in action.body
    assert started.subject == "Your Team subscription has started"


@pytest.mark.parametrize("kind", ["invoice_issued", "payment_failed", "payment_overdue", "payment_action_required"])
def test_what_is_open_can_be_paid_by_a_link(sessions: Sessions, clock: Clock, kind: str) -> None:
    payload = {"invoice": "inv_1", "code": "expired_card", "action_url": "/simulator/x"}
    relay = Relay(
        sessions, [LocalMailbox(sessions, clock)], clock, pay_url=lambda invoice: f"https://pay.example/{invoice}"
    )
    for status in ("open", "paid"):
        with unit_of_work(sessions) as session:
            session.execute(update(Invoice).values(status=status))
        say(sessions, kind, status, payload)
        relay.run_once()
    open_, paid = mailbox(sessions)
    assert "https://pay.example/inv_1" in open_.body
    assert "pay.example" not in paid.body


def test_the_payload_has_the_last_word(sessions: Sessions, relay: Relay) -> None:
    say(sessions, "plan_changed", "x", {"plan": "Business", "quantity": "7"}, subscription_id="sub_ada")
    relay.run_once()
    assert "Business, quantity 7" in mailbox(sessions)[0].body


def test_a_gift_goes_to_somebody_who_is_no_customer(sessions: Sessions, relay: Relay) -> None:
    say(sessions, "gift_delivered", "gift_1", {"gift": "gift_1"}, customer_id=None)
    say(sessions, "gift_claimed", "gift_1", {"gift": "gift_1"}, customer_id=None)
    relay.run_once()
    delivered, claimed = mailbox(sessions)
    assert delivered.recipient == "mary@example.com"
    assert delivered.subject == "Bob has a gift for you: Team"
    for word in ("Hello Mary", "3 periods", '"Enjoy!"', "ABCD-EFGH"):
        assert word in delivered.body
    assert (delivered.customer_id, claimed.customer_id) == (None, "cus_bob")
    assert claimed.recipient == "bob@example.com"
    assert "ABCD" not in claimed.body


@pytest.mark.parametrize(
    ("kind", "payload", "columns", "error"),
    [
        ("nonsense", {}, {}, "no message of kind"),
        ("receipt", {}, {}, "invoice_number"),
        ("receipt", {"invoice": {"a": 1}}, {}, "CannotRender"),
        ("receipt", ["garbage"], {}, "Error"),
        ("receipt", {"invoice": "inv_1", "amount": "12.5"}, {}, "CannotRender"),
        ("subscription_started", {}, {"customer_id": None}, "nobody to tell"),
        ("subscription_started", {}, {"customer_id": "cus_gone"}, "nobody to tell"),
        ("gift_delivered", {"gift": "gift_gone"}, {}, "nobody to tell"),
    ],
)
def test_a_poisoned_row_blocks_nobody(
    sessions: Sessions, relay: Relay, kind: str, payload: Any, columns: dict[str, Any], error: str
) -> None:
    poisoned = say(sessions, kind, "poison", payload, **columns)
    fine = say(sessions, "subscription_started", "fine", subscription_id="sub_ada")
    assert relay.run_once() == 2
    assert [message.key for message in mailbox(sessions)] == [fine]
    row = outbox(sessions, poisoned)
    assert row.delivered_at is None
    assert row.attempts == 1
    assert error in (row.last_error or "")
    assert row.next_attempt_at > NOW


def test_a_failed_delivery_comes_again_later_and_later(sessions: Sessions, clock: Clock) -> None:
    key = say(sessions, "subscription_started", "x", subscription_id="sub_ada")
    relay = Relay(sessions, [Broken(key, times=3), LocalMailbox(sessions, clock)], clock)
    waits = []
    for _ in range(3):
        assert relay.run_once() == 1
        assert relay.run_once() == 0
        due = outbox(sessions, key).next_attempt_at
        waits.append((due - clock.now).total_seconds())
        clock.now = due
    assert waits == [2, 4, 8]
    assert relay.run_once() == 1
    assert outbox(sessions, key).last_error is None
    assert len(mailbox(sessions)) == 1


def test_a_wait_has_an_end(sessions: Sessions, clock: Clock) -> None:
    key = say(sessions, "subscription_started", "x", subscription_id="sub_ada", attempts=500)
    Relay(sessions, [Broken(key)], clock).run_once()
    assert outbox(sessions, key).next_attempt_at == NOW + timedelta(hours=1)


def test_a_relay_that_died_after_delivering_tells_nothing_twice(sessions: Sessions, clock: Clock) -> None:
    key = say(sessions, "subscription_started", "x", subscription_id="sub_ada")
    box = LocalMailbox(sessions, clock)
    Relay(sessions, [box, Broken(key, times=1)], clock).run_once()
    assert outbox(sessions, key).delivered_at is None
    clock.now += timedelta(minutes=1)
    assert Relay(sessions, [box], clock).run_once() == 1
    assert len(mailbox(sessions)) == 1


def test_relays_share_the_work(sessions: Sessions, relay: Relay) -> None:
    keys = [say(sessions, "subscription_started", f"{n:02}", subscription_id="sub_ada") for n in range(40)]
    with ThreadPoolExecutor(3) as pool:
        taken = list(pool.map(lambda _: sum(relay.run_once(limit=5) for _ in range(8)), range(3)))
    assert sum(taken) == 40
    assert sorted(message.key for message in mailbox(sessions)) == sorted(keys)


def test_a_row_that_another_relay_holds_is_passed_by(sessions: Sessions, relay: Relay) -> None:
    held = say(sessions, "subscription_started", "held", subscription_id="sub_ada")
    free = say(sessions, "subscription_started", "free", subscription_id="sub_ada")
    with sessions() as other, ThreadPoolExecutor(1) as pool:
        other.execute(select(OutboxMessage).where(OutboxMessage.key == held).with_for_update())
        run = pool.submit(relay.run_once)
        try:
            assert run.result(timeout=5) == 1
        finally:
            other.rollback()
    assert [message.key for message in mailbox(sessions)] == [free]


def test_the_pump_rests_waits_for_the_database_and_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    stop, rests, calls = Event(), [], []

    def work() -> int:
        calls.append(len(calls))
        if len(calls) in (1, 2):
            raise OperationalError("SELECT 1", {}, Exception("away"))
        if len(calls) == 5:
            stop.set()
        return int(len(calls) == 3)

    monkeypatch.setattr(stop, "wait", rests.append)
    prepared: list[bool] = []
    process.pump((work,), stop, prepare=lambda: prepared.append(True))
    assert prepared == [True]
    assert rests == [0.5, 1.0, 0.25, 0.25]


def test_the_process_delivers_until_it_is_stopped(engine: Engine, sessions: Sessions) -> None:
    key = say(
        sessions,
        "subscription_started",
        "x",
        subscription_id="sub_ada",
        next_attempt_at=datetime(2020, 1, 1, tzinfo=UTC),
    )
    settings = Settings(database_url=engine.url.render_as_string(hide_password=False), api_port=1)
    stop = Event()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(process.main, settings, stop)
        for _ in range(100):
            if mailbox(sessions):
                break
            Event().wait(0.05)
        stop.set()
        running.result(timeout=10)
    assert [message.key for message in mailbox(sessions)] == [key]


def test_a_message_goes_out_by_its_own_channel(sessions: Sessions, clock: Clock) -> None:
    """The same message by mail and by text message: two rows, each to the notifier that serves it."""
    with unit_of_work(sessions) as session:
        message = Message("notify:access_suspended:1", "access_suspended", {}, ("email", "sms"))
        silent = Message("notify:access_suspended:2", "access_suspended", {}, ())
        write_messages(session, (message, silent), NOW, customer_id="cus_ada", subscription_id="sub_ada")
    texts = LocalMailbox(sessions, clock, ("sms",))
    assert Relay(sessions, [LocalMailbox(sessions, clock), texts], clock).run_once() == 2
    assert {(told.key, told.channel) for told in mailbox(sessions)} == {
        ("notify:access_suspended:1", "email"),
        ("notify:access_suspended:1:sms", "sms"),
    }


def test_a_channel_that_nobody_serves_keeps_its_messages(sessions: Sessions, clock: Clock) -> None:
    """The row waits with the reason, the mail beside it is delivered, and a notifier that comes later finds it."""
    with unit_of_work(sessions) as session:
        message = Message("notify:access_suspended:1", "access_suspended", {}, ("email", "sms"))
        write_messages(session, (message,), NOW, customer_id="cus_ada", subscription_id="sub_ada")
    box = LocalMailbox(sessions, clock)
    Relay(sessions, [box], clock).run_once()
    assert [told.channel for told in mailbox(sessions)] == ["email"]
    with sessions() as session:
        (waiting,) = session.scalars(select(OutboxMessage).where(OutboxMessage.delivered_at.is_(None)))
    assert waiting.last_error == "DeliveryFailed: no notifier serves the channel 'sms'"
    clock.now += timedelta(hours=2)
    Relay(sessions, [LocalMailbox(sessions, clock, ("email", "sms"))], clock).run_once()
    assert sorted(told.channel for told in mailbox(sessions)) == ["email", "sms"]
