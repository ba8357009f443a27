"""Long random lives from a seed: deeper than a state machine of Hypothesis gets in the same time."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any

from perennial.domain.catalog import AddOn, AddOnTerms, DisputePolicy, Fee, PlanTerms, UsageCharge
from perennial.domain.disputes import DisputeStatus
from perennial.domain.dunning import FinalAction, HardDecline
from perennial.domain.errors import PerennialError
from perennial.domain.proration import ProrationBasis
from perennial.domain.subscription import commands as c
from perennial.domain.subscription import next_due
from perennial.domain.subscription.state import Discount
from tests.unit.subscription.life import Life, flat, plan, policy, seats

AMOUNTS = {"USD": "10.01", "JPY": "1234", "KWD": "3.333"}
DISCOUNTS = (
    Discount("half", percent=Decimal(50)),
    Discount("first", percent=Decimal(100), periods_left=1),
    Discount("two_off", amount=200, periods_left=3),
)
CODES = (None, "insufficient_funds", "insufficient_funds", "lost_card", "expired_card", "action")


class Walk:
    """One seed, one life."""

    def __init__(self, seed: int, intervals: list[Any], zones: list[str], starts: list[Any]) -> None:
        self.dice = dice = Random(seed)
        self.intervals = intervals
        self.trouble = 0.0
        self.currency = dice.choice(list(AMOUNTS))
        opening: dict[str, Any] = {
            "quantity": dice.randint(1, 4),
            "timezone": dice.choice(zones),
            "start": dice.choice(starts),
            "trial_days": dice.choice([0, 0, 0, 2, 14]),
            "net_days": dice.choice([None, None, None, 0, 10, 40]),
            "discounts": dice.choice([(), (), *((each,) for each in DISCOUNTS)]),
        }
        if dice.random() < 0.15:
            opening |= {"prepaid_periods": 2, "gift_id": "gift_1", "payment_method_id": None}
        self.story: list[str] = []
        self.life = Life(self.terms(), gateway=self.answer, **opening)

    def terms(self) -> PlanTerms:
        dice, factor = self.dice, self.dice.choice([1, 2, 5])
        amount = str(Decimal(AMOUNTS[self.currency]) * factor)
        return plan(
            code=f"plan_{dice.randint(1, 99)}",
            interval=dice.choice(self.intervals),
            currency=self.currency,
            price=dice.choice([seats, flat])(amount),
            reminder_days=dice.choice([None, 3, 30]),
            proration=dice.choice(list(ProrationBasis)),
            charges=dice.choice([(), (), (UsageCharge("calls", "Calls", "calls", flat("1")),)]),
            fees=dice.choice([(), (Fee("setup", "Setup", 500),)]),
            on_dispute=dice.choice(list(DisputePolicy)),
            addons=(AddOnTerms("extra", "Extra", flat(amount)), AddOnTerms("seat", "Seat", seats(amount))),
            dunning=policy(
                dice.choice(list(FinalAction)),
                offsets=dice.choice([(1, 3, 7, 14), (5, 30), ()]),
                grace=dice.choice([None, 0, 4, 20]),
                hard=dice.choice(list(HardDecline)),
            ),
        )

    def answer(self, _invoice: str, _attempt: int) -> str | None:
        return self.dice.choice(CODES) if self.dice.random() < self.trouble else None

    def go(self, steps: int) -> Life:
        for _ in range(steps):
            self.dice.choice(self._moves())()
        self.trouble = 0.3
        return self.life.advance(days=3 * 365)

    def _moves(self) -> list[Callable[[], object]]:
        moves = [self._wait, self._wait, self._wait, self._change_trouble, self._command, self._command, self._command]
        return [*moves, *moves, self._park_a_while]

    def _addons(self) -> tuple[AddOn, ...]:
        return tuple(AddOn(code, self.dice.randint(1, 3)) for code in ("extra", "seat") if self.dice.random() < 0.5)

    def _invoice(self) -> str:
        """Most of the time one that is open."""
        case = self.life.state.collection
        if case and self.dice.random() < 0.9:
            return self.dice.choice(case.open_invoices)
        return self.dice.choice(sorted(self.life.documents) or ["?"])

    def _credit(self) -> c.CreditInvoice:
        """As the edge would ask for it: of the running period, no more than is left of it."""
        state = self.life.state
        if not state.period_invoices or state.collection:
            return c.CreditInvoice(invoice="?", amount=1)
        most = min(state.period_billed, self.life.left_of(state.period_invoices[-1]))
        if most <= 0:
            return c.CreditInvoice(invoice="?", amount=1)
        amount = self.dice.randint(1, most)
        return c.CreditInvoice(invoice=state.period_invoices[-1], amount=amount, recurring=amount)

    def _dispute(self) -> c.DisputeEvent:
        """News of one of a few disputes, in any order."""
        dice = self.dice
        invoice = dice.choice(sorted(self.life.documents) or ["?"])
        status = dice.choice([DisputeStatus.OPEN, DisputeStatus.WON, DisputeStatus.WON, DisputeStatus.LOST])
        return c.DisputeEvent(invoice=invoice, dispute=f"dp_{dice.randint(1, 6)}", status=status)

    def _wait(self) -> None:
        self.story.append("wait")
        due = next_due(self.life.state)
        if due and self.dice.random() < 0.5:
            self.life.advance(max(due.at, self.life.now))
        else:
            self.life.advance(days=self.dice.choice([0.3, 1, 3, 8, 30, 45]))

    def _park_a_while(self) -> None:
        """Whatever it owes may be paid meanwhile, and everything else waits."""
        dice, life = self.dice, self.life.advance(self.life.now)
        if life.state.status.is_ended:
            return
        self.story.append("park")
        life.send(c.Park())
        before = len(life.documents)
        life.advance(days=dice.choice([0.3, 3, 45, 100]))
        if life.state.collection and dice.random() < 0.5:
            life.authenticates()
        assert (len(life.documents), next_due(life.state)) == (before, None)
        life.send(c.Unpark())

    def _change_trouble(self) -> None:
        self.trouble = self.dice.choice([0.0, 0.0, 0.7, 1.0])

    def _command(self) -> None:
        dice, now = self.dice, self.life.now
        if self.life.state.collection and dice.random() < 0.1:
            self.life.authenticates()
            return
        when, basis = dice.choice(list(c.When)), dice.choice([None, *ProrationBasis])
        later = now + timedelta(days=dice.choice([0.5, 20, 100]))
        command = dice.choice(
            [
                c.PauseSubscription(until=dice.choice([None, later]), when=when),
                c.Resume(),
                c.ChangePlan(terms=self.terms(), when=when, proration=basis),
                c.ChangeQuantity(quantity=dice.randint(0, 9), when=when, proration=basis),
                c.ChangeQuantity(quantity=dice.randint(5, 9)),
                c.ChangeAddOns(addons=self._addons(), when=when, proration=basis),
                c.ChangeAddOns(addons=self._addons()),
                c.GiveUpInvoice(invoice=self._invoice(), write_off=dice.random() < 0.5),
                c.RecordPayment(invoice=self._invoice(), reference="BANK"),
                self._credit(),
                c.Cancel(when=dice.choice([c.When.PERIOD_END, when]), refund=dice.choice(list(c.RefundPolicy))),
                c.UndoCancel(),
                c.Reactivate(payment_method_id="pm_2"),
                c.ApplyCoupon(discount=dice.choice(DISCOUNTS)),
                c.SetPaymentMethod(payment_method_id="pm_3"),
                c.ExtendTrial(until=later),
                c.RetryPayment(),
                c.AddGift(gift_id="gift_2", periods=dice.randint(0, 3)),
                c.SkipNext(),
                c.PaymentEvent(invoice=dice.choice(sorted(self.life.documents) or ["?"]), attempt=dice.randint(0, 3)),
                self._dispute(),
            ]
        )
        self.story.append(f"{now:%Y-%m-%d %H:%M} {self.life.state.status} {type(command).__name__} {when}")
        try:
            self.life.send(command)
        except PerennialError as refusal:
            self.story[-1] += f": {refusal.code}"
            self.life.check()
