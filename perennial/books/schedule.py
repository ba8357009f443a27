"""What a deferred line has earned at the end of a month, whatever kind of line it is."""

from collections.abc import Iterator
from datetime import UTC, datetime

from perennial.db.repositories.recognitions import Earned, GiftStretch, Source
from perennial.domain import calendar
from perennial.domain.calendar import local_days
from perennial.domain.ledger import BREAKAGE, REVENUE
from perennial.domain.months import Month
from perennial.domain.recognition import DeferredLine, earned, gift_earned

_NEVER = datetime(9000, 1, 1, tzinfo=UTC)


def months_of(source: Source, through: Month, timezone: str) -> Iterator[tuple[Month, int]]:
    """Each month until `through` in which the line earned something, or lost it again."""
    so_far, month = 0, Month.of(source.line.issued_at, timezone)
    through = min(through, Month.of(settled_at(source), timezone))
    while month <= through:
        total = earned_at(source, month.end(timezone), timezone)
        if total != so_far:
            yield month, total - so_far
        so_far, month = total, month.next


def missing(source: Source, through: Month, timezone: str) -> Iterator[Earned]:
    """What the books do not say yet of this line.

    A gift's stretch moves when its subscription is paused, so nothing of it is told anew: the difference counts in the
    first month that is not in the books.
    """
    due = {str(month): amount for month, amount in months_of(source, through, timezone)}
    known = {month: amount for month, amount in source.recognised.items() if month <= str(through)}
    if source.gift:
        last = max(source.recognised, default="")
        if last >= str(through):
            return
        later = {month: amount for month, amount in due.items() if month > last}
        behind = sum(due.values()) - sum(later.values()) - sum(known.values())
        if behind:
            first = min(later, default=str(through))
            later[first] = later.get(first, 0) + behind
        due, known = later, {}
    account = BREAKAGE if source.gift and source.gift.expired_at else REVENUE
    for month in sorted(due.keys() | known.keys()):
        amount = due.get(month, 0) - known.get(month, 0)
        if amount:
            yield Earned(source.invoice_id, source.position, month, account, amount)


def settled_at(source: Source) -> datetime:
    """After the month of this instant nothing changes any more, by what is known now."""
    line, gift = source.line, source.gift
    seen = [line.service.end, line.issued_at, line.voided_at, *(note.at for note in line.taken_off)]
    if gift:
        seen += [gift.ended_at, gift.expired_at, *(until or _NEVER for _, until in gift.spans)]
    return max(at for at in seen if at is not None)


def earned_at(source: Source, as_of: datetime, timezone: str) -> int:
    """What of the line is income at `as_of`, minor units."""
    if source.gift is None:
        return earned(source.line, as_of, timezone)
    return _gift_earned(source.line, source.gift, as_of, timezone)


def _gift_earned(line: DeferredLine, gift: GiftStretch, as_of: datetime, timezone: str) -> int:
    """Nothing until somebody claims it; then by the days of its prepaid periods, a pause left out."""
    if as_of <= line.issued_at or (line.voided_at is not None and line.voided_at < as_of):
        return 0
    amount = line.amount - sum(note.amount for note in line.taken_off if note.at < as_of)
    if gift.expired_at is not None:
        return amount if gift.expired_at < as_of else 0
    if gift.claimed_at is None or gift.claimed_at >= as_of:
        return 0
    anchor = calendar.to_wall(gift.claimed_at, timezone)
    end = calendar.boundary(anchor, gift.interval, timezone, gift.periods)
    served = sum(
        local_days(start, min(until, as_of) if until else as_of, timezone)
        for start, until in gift.spans
        if start < as_of
    )
    over = gift.ended_at is not None and gift.ended_at < as_of
    return gift_earned(amount, served, local_days(gift.claimed_at, end, timezone), is_over=over)
