"""Closing months: what a scheduled job does, as often as it likes."""

from datetime import datetime

from sqlalchemy.orm import Session

from perennial.books.recognise import Recognised, recognise
from perennial.db.repositories import recognitions
from perennial.domain.months import Month


def last_month_over(session: Session, as_of: datetime) -> Month:
    """The latest month that is over at `as_of`, in the seller's time zone."""
    return Month.of(as_of, recognitions.timezone(session)).previous


def close_months(session: Session, as_of: datetime) -> list[Recognised]:
    """Recognise the revenue of every month that is over and not in the books; the caller commits."""
    return recognise(session, last_month_over(session, as_of), as_of)
