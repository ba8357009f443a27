"""The daily steps of bookkeeping, each in units of work that may be run again."""

from datetime import datetime, timedelta

from sqlalchemy import delete
from temporalio import activity

from perennial.books.monthly import close_months
from perennial.db.engine import Sessions, unit_of_work
from perennial.db.models import IdempotencyKey
from perennial.db.repositories import card_reminders, credits

# A client that repeats a request does so within minutes; a week leaves room for one that was mended by hand.
KEYS_ARE_KEPT = timedelta(days=7)
CARDS_AT_ONCE = 500


class BookkeepingActivities:
    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    @activity.defn
    def expire_credits(self, as_of: datetime) -> int:
        """Posts the credit that has expired by `as_of`; how many grants."""
        count = 0
        while True:
            with unit_of_work(self._sessions) as session:
                expired = credits.expire(session, as_of)
            if not expired:
                return count
            count += len(expired)

    @activity.defn
    def remind_of_cards(self, as_of: datetime) -> int:
        """Writes the reminders of cards that expire, each once; how many are due."""
        count, after = 0, ""
        while True:
            with unit_of_work(self._sessions) as session:
                last, told = card_reminders.tell(session, as_of, after, CARDS_AT_ONCE)
            count += told
            if last is None:
                return count
            after = last

    @activity.defn
    def close_months(self, as_of: datetime) -> int:
        """Recognises the revenue of every month that is over; how many postings."""
        with unit_of_work(self._sessions) as session:
            return len(close_months(session, as_of))

    @activity.defn
    def forget_idempotency_keys(self, as_of: datetime) -> int:
        """Drops answers that nobody will ask for again; how many."""
        with unit_of_work(self._sessions) as session:
            old = delete(IdempotencyKey).where(IdempotencyKey.created_at < as_of - KEYS_ARE_KEPT)
            gone: int = session.execute(old).rowcount  # type: ignore[attr-defined]  # of a DELETE
            return gone
