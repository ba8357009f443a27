"""What if? The next invoices of a subscription, as it is or after changes, from the core that will bill them.

The first one is what a preview says, to the minor unit. Assumed is what nobody knows: that everything is paid when
charged, that no price or tax changes which is not in the books yet, and that no more is used than has been.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session

from perennial.contracts.activities import Subject
from perennial.contracts.views import SubscriptionView, view_of
from perennial.db.models import Subscription
from perennial.db.repositories import credit_notes, credits, invoices
from perennial.db.repositories.assessments import Assessed, StatedDiscount, assess_draft
from perennial.domain import subscription as core
from perennial.domain.assessment import AssessedLine, AssessedTax
from perennial.domain.credits import Grant, spend
from perennial.domain.errors import InvalidInput
from perennial.domain.subscription import State
from perennial.domain.subscription.commands import Command
from perennial.domain.subscription.effects import InvoiceDraft
from perennial.domain.subscription.simulation import Outcome, catch_up, follow, walk
from perennial.engine import states
from perennial.engine.context import Engine
from perennial.engine.subscriptions import edge_time, require

COUNT, MOST = 12, 60
# A trial, reminders and skipped periods come between two invoices; who is skipped for ever has none.
_STEPS_AT_MOST = 20 * MOST

Make = Callable[[Session, Subscription, datetime], Command]


@dataclass(frozen=True, slots=True)
class Upcoming:
    """One invoice to come. Amounts in minor units: `subtotal` and `discount` as priced, `total` with the `tax` in it.

    `usage_open`: a charge for usage is in it that may still grow.
    """

    at: datetime
    reason: str
    period_no: int
    period_start: datetime
    period_end: datetime
    currency: str
    lines: tuple[AssessedLine, ...]
    taxes: tuple[AssessedTax, ...]
    discounts: tuple[StatedDiscount, ...]
    subtotal: int
    discount: int
    tax: int
    total: int
    credit_applied: int
    amount_due: int
    usage_open: bool


@dataclass(frozen=True, slots=True)
class Forecast:
    """`invoices` in their order; `view` is the subscription after the changes.

    `notes` say in words what is assumed, and why there are fewer invoices than were asked for.
    """

    subscription: str
    effective_at: datetime
    currency: str
    invoices: tuple[Upcoming, ...]
    view: SubscriptionView
    notes: tuple[str, ...]


async def forecast(engine: Engine, subscription_id: str, changes: Sequence[Make] = (), count: int = COUNT) -> Forecast:
    """The next `count` invoices if these commands were sent now, one after the other.

    Raises what the commands would raise, NotFound, InvalidInput (count).
    """
    if not 1 <= count <= MOST:
        raise InvalidInput(f"must be between 1 and {MOST}", field="count")

    def compute(session: Session) -> Forecast:
        row = require(session, subscription_id)
        now = edge_time(engine, session, row.test_clock_id)
        return _Walk(engine, session, states.current(session, row), now).forecast(row, changes, count)

    return await engine.read(compute)


class _Walk:
    """Along the subscription's future, with the credit that is left at each point of it."""

    def __init__(self, engine: Engine, session: Session, recorded: State, now: datetime) -> None:
        self._engine = engine
        self._session = session
        self._now = now
        self._at = max(now.replace(microsecond=0), recorded.as_of)
        self._state = catch_up(recorded, self._at)
        self._grants = credits.grants_left(session, recorded.customer_id, recorded.currency)
        self._made = 0

    def forecast(self, row: Subscription, changes: Sequence[Make], count: int) -> Forecast:
        made: list[Upcoming] = []
        for make in changes:
            made += self._change(make(self._session, row, self._now))
        view = view_of(self._state)
        made += self._ahead(count - len(made))
        made = made[:count]
        return Forecast(
            row.id, self._at, self._state.currency, tuple(made), view, tuple(_notes(view, self._state, made, count))
        )

    def _change(self, command: Command) -> Iterator[Upcoming]:
        outcome = follow(core.decide(self._state, replace(command, at=self._at), self._at))
        for _, further in walk(outcome.state, self._at):
            outcome = Outcome(further.state, (*outcome.effects, *further.effects))
        yield from self._carry_out(outcome, self._at)

    def _ahead(self, count: int) -> Iterator[Upcoming]:
        for _ in range(_STEPS_AT_MOST):
            due = core.next_due(self._state)
            if due is None or count <= 0:
                return
            outcome = follow(core.act(self._state, due))
            for invoice in self._carry_out(outcome, max(due.at, self._at)):
                yield invoice
                count -= 1

    def _carry_out(self, outcome: Outcome, at: datetime) -> Iterator[Upcoming]:
        """What is given back goes where it will go, and what is left of it as credit pays."""
        self._state = outcome.state
        notes = list(outcome.credits)
        assessed = [(draft, self._assess(draft, at)) for draft in outcome.drafts]
        notes += [invoices.surplus_of(draft, found) for draft, found in assessed if found.surplus]
        for note in notes:
            given = credit_notes.given(self._session, note)
            back = credit_notes.refundable(self._session, given) if note.refund else 0
            self._grants.append(Grant(note.key, note.key, given.total - back, at))
        for draft, found in assessed:
            if not found.is_empty:
                yield self._invoice(draft, found, at)

    def _assess(self, draft: InvoiceDraft, at: datetime) -> Assessed:
        """Only the first invoice from now on bears what came late."""
        subject = Subject(self._state.customer_id, subscription_id=self._state.id)
        is_first, self._made = self._made == 0, self._made + 1
        return assess_draft(self._session, self._engine.taxes, subject, draft, at, with_late=is_first)

    def _invoice(self, draft: InvoiceDraft, assessed: Assessed, at: datetime) -> Upcoming:
        result = assessed.result
        total = max(0, result.total)
        applied = self._use(total, at)
        return Upcoming(
            at=at,
            reason=draft.reason,
            period_no=draft.period_no,
            period_start=draft.period.start,
            period_end=draft.period.end,
            currency=draft.currency,
            lines=result.lines,
            taxes=result.taxes,
            discounts=assessed.discounts,
            subtotal=result.subtotal,
            discount=result.discount,
            tax=result.tax,
            total=total,
            credit_applied=applied,
            amount_due=total - applied,
            usage_open=any(stretch.end > self._at for stretch in draft.usage),
        )

    def _use(self, wanted: int, at: datetime) -> int:
        parts = dict(spend((grant for grant in self._grants if not grant.is_over(at)), wanted))
        self._grants = [replace(grant, remaining=grant.remaining - parts.get(grant, 0)) for grant in self._grants]
        return sum(parts.values())


def _notes(view: SubscriptionView, last: State, made: Sequence[Upcoming], count: int) -> Iterator[str]:
    yield "every invoice is assumed to be paid when it is charged"
    if any(invoice.usage_open for invoice in made):
        yield "usage counts as far as it is known: what is used from now on comes on top"
    if len(made) >= count:
        return
    if view.parked_since:
        yield "it is parked: nothing is billed until it is unparked"
    elif last.ended_at:
        yield f"it ends on {last.ended_at:%Y-%m-%d} ({last.end_reason})"
    elif core.next_due(last) is None:
        yield f"it is {last.status.value}: only a command moves it on"
