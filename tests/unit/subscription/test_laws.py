"""Laws of the core over random lives: whatever is asked and whatever the gateway says, they hold after every step."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from perennial.domain.calendar import Interval, IntervalUnit
from perennial.domain.catalog import PlanTerms
from perennial.domain.dunning import FinalAction, HardDecline
from perennial.domain.errors import PerennialError
from perennial.domain.proration import ProrationBasis
from perennial.domain.subscription import commands as c
from perennial.domain.subscription import next_due
from perennial.domain.subscription.state import Discount
from tests.unit.subscription.life import Life, flat, plan, policy, seats
from tests.unit.subscription.limits import LAWS
from tests.unit.subscription.walks import Walk

INTERVALS = [
    Interval(IntervalUnit.WEEK),
    Interval(IntervalUnit.MONTH),
    Interval(IntervalUnit.MONTH, 3),
    Interval(IntervalUnit.YEAR),
    Interval(IntervalUnit.DAY, 10),
]
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Pacific/Apia", "Australia/Lord_Howe"]
STARTS = [
    datetime(2026, 1, 31, 10, tzinfo=UTC),
    datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC),
    datetime(2026, 3, 29, 1, 30, tzinfo=UTC),
    datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
]
SOFT, HARD, NEEDS = "insufficient_funds", "lost_card", "expired_card"
ANSWERS = st.sampled_from([None, SOFT, SOFT, SOFT, HARD, NEEDS, "action"])


@st.composite
def plans(draw: st.DrawFn, currency: str) -> PlanTerms:
    amount = {"USD": "10.01", "JPY": "1234", "KWD": "3.333"}[currency]
    factor = draw(st.sampled_from([1, 2, 5]))
    amount = str(Decimal(amount) * factor)
    per_seat = draw(st.booleans())
    return plan(
        code=f"plan_{factor}_{per_seat}",
        interval=draw(st.sampled_from(INTERVALS)),
        currency=currency,
        price=seats(amount) if per_seat else flat(amount),
        trial_days=0,
        reminder_days=draw(st.sampled_from([None, 3, 30])),
        proration=draw(st.sampled_from(ProrationBasis)),
        dunning=policy(
            draw(st.sampled_from(FinalAction)),
            offsets=draw(st.sampled_from([(1, 3, 7, 14), (5, 30), ()])),
            grace=draw(st.sampled_from([None, 0, 4, 20])),
            hard=draw(st.sampled_from(HardDecline)),
        ),
    )


BASES = st.sampled_from([None, *ProrationBasis])
WHENS = st.sampled_from(c.When)


class AnyLife(RuleBasedStateMachine):
    life: Life

    @initialize(data=st.data(), currency=st.sampled_from(["USD", "JPY", "KWD"]))
    def begin(self, data: st.DataObject, currency: str) -> None:
        self.answers: list[str | None] = []
        opening: dict[str, Any] = {
            "quantity": data.draw(st.integers(1, 4)),
            "timezone": data.draw(st.sampled_from(ZONES)),
            "start": data.draw(st.sampled_from(STARTS)),
            "trial_days": data.draw(st.sampled_from([0, 0, 2, 14])),
            "discounts": data.draw(st.tuples(DISCOUNTS) | st.just(())),
        }
        if data.draw(st.integers(0, 4)) == 0:
            opening |= {"prepaid_periods": 2, "gift_id": "gift_1", "payment_method_id": None}
        self.life = Life(data.draw(plans(currency)), gateway=self._answer, **opening)

    def _answer(self, _invoice: str, _attempt: int) -> str | None:
        return self.answers.pop(0) if self.answers else None

    def _send(self, command: c.Command) -> None:
        """Accepted, or refused with a named error that has changed nothing. Anything else fails the test."""
        with suppress(PerennialError):
            self.life.send(command)
        self.life.check()

    @rule(answers=st.lists(ANSWERS, max_size=10))
    def trouble_at_the_gateway(self, answers: list[str | None]) -> None:
        """From the end of the period on; when the answers are used up, everything is paid."""
        self.answers = answers
        self.life.advance(max(self.life.now, self.life.state.period.end))

    @rule(days=st.sampled_from([0.3, 1, 3, 8, 30, 45]))
    def time_passes(self, days: float) -> None:
        self.life.advance(days=days)

    @rule()
    def until_the_next_due_instant(self) -> None:
        if due := next_due(self.life.state):
            self.life.advance(due.at)

    @rule(days=st.none() | st.sampled_from([0.5, 20, 100]), when=WHENS)
    def pause(self, days: float | None, when: c.When) -> None:
        until = None if days is None else self.life.now + timedelta(days=days)
        self._send(c.PauseSubscription(until=until, when=when))

    @rule()
    def resume(self) -> None:
        self._send(c.Resume())

    @rule(data=st.data(), when=WHENS, basis=BASES)
    def change_plan(self, data: st.DataObject, when: c.When, basis: ProrationBasis | None) -> None:
        terms = data.draw(plans(self.life.state.currency))
        self._send(c.ChangePlan(terms=terms, when=when, proration=basis))

    @rule(quantity=st.integers(0, 5), when=WHENS, basis=BASES)
    def change_quantity(self, quantity: int, when: c.When, basis: ProrationBasis | None) -> None:
        self._send(c.ChangeQuantity(quantity=quantity, when=when, proration=basis))

    @rule(when=WHENS, refund=st.sampled_from(c.RefundPolicy))
    def cancel(self, when: c.When, refund: c.RefundPolicy) -> None:
        self._send(c.Cancel(when=when, refund=refund))

    @rule()
    def undo_cancel(self) -> None:
        self._send(c.UndoCancel())

    @rule()
    def reactivate(self) -> None:
        self._send(c.Reactivate(payment_method_id="pm_2"))

    @rule(data=st.data())
    def apply_coupon(self, data: st.DataObject) -> None:
        self._send(c.ApplyCoupon(discount=data.draw(DISCOUNTS)))

    @rule()
    def set_payment_method(self) -> None:
        self._send(c.SetPaymentMethod(payment_method_id="pm_3"))

    @rule(days=st.sampled_from([1, 9, 400]))
    def extend_trial(self, days: int) -> None:
        self._send(c.ExtendTrial(until=self.life.now + timedelta(days=days)))

    @rule()
    def retry_payment(self) -> None:
        self._send(c.RetryPayment())

    @rule(periods=st.integers(0, 3))
    def gift(self, periods: int) -> None:
        self._send(c.AddGift(gift_id="gift_2", periods=periods))

    @rule()
    def skip_next(self) -> None:
        self._send(c.SkipNext())

    @rule(data=st.data(), attempt=st.integers(0, 3))
    def payment_event(self, data: st.DataObject, attempt: int) -> None:
        invoices = sorted(self.life.documents)
        if invoices:
            self._send(c.PaymentEvent(invoice=data.draw(st.sampled_from(invoices)), attempt=attempt))

    @rule(quantity=st.integers(2, 9), code=ANSWERS)
    def upgrade_that_may_fail(self, quantity: int, code: str | None) -> None:
        self.answers = [code, code]
        self._send(c.ChangeQuantity(quantity=quantity))

    @rule()
    def customer_authenticates(self) -> None:
        self.life.authenticates()

    @invariant()
    def money_adds_up(self) -> None:
        if hasattr(self, "life"):
            paid = sum(d.draft.total for d in self.life.documents.values() if d.status == "paid")
            assert 0 <= self.life.credited <= paid

    def teardown(self) -> None:
        if hasattr(self, "life"):
            self.life.advance(days=3 * 365)


DISCOUNTS = st.sampled_from(
    [
        Discount("half", percent=Decimal(50)),
        Discount("first", percent=Decimal(100), periods_left=1),
        Discount("two_off", amount=200, periods_left=3),
    ]
)
AnyLife.TestCase.settings = settings(LAWS, stateful_step_count=30)
TestAnyLife = AnyLife.TestCase


@settings(LAWS, max_examples=LAWS.max_examples * 2)
@given(seed=st.integers(0, 2**32))
def test_the_laws_hold_on_long_walks(seed: int) -> None:
    """Forty moves and then three years: it terminates, and every step keeps the laws of `Life.check`."""
    life = Walk(seed, INTERVALS, ZONES, STARTS).go(40)
    paid = sum(document.draft.total for document in life.documents.values() if document.status == "paid")
    assert 0 <= life.credited <= paid
    numbers = [document.draft.period_no for document in life.documents.values() if document.draft.reason == "renewal"]
    assert len(numbers) == len(set(numbers))
