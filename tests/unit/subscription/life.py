"""A subscription's life without a server: the interpreter's loop over the pure core, with a ledger of its own.

It does what `workflows/subscription.py` does, but keeps every document and span in memory and checks the laws of the
core after every step.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from perennial.db.repositories.records import dump_state, load_state
from perennial.domain import subscription as core
from perennial.domain.calendar import Interval, IntervalUnit
from perennial.domain.catalog import PlanTerms
from perennial.domain.dunning import DunningPolicy, FinalAction, HardDecline
from perennial.domain.errors import PerennialError
from perennial.domain.pricing import pricing_model
from perennial.domain.subscription import commands as c
from perennial.domain.subscription.effects import (
    Bill,
    CloseInvoice,
    Collect,
    Credit,
    Decision,
    Effect,
    InvoiceDraft,
    Note,
    PaymentFact,
    PaymentStatus,
    Receive,
    Settle,
)
from perennial.domain.subscription.payments import NO_PAYMENT_METHOD
from perennial.domain.subscription.state import Span, Status

START = datetime(2026, 1, 31, 10, 0, tzinfo=UTC)
MONTH = Interval(IntervalUnit.MONTH)
YEAR = Interval(IntervalUnit.YEAR)
WEEK = Interval(IntervalUnit.WEEK)

# More acts than this at one instant, or in one life, is a loop.
MOST_ACTS_AT_ONCE = 40


def flat(amount: str) -> Any:
    return pricing_model({"type": "flat", "amount": amount})


def seats(price: str) -> Any:
    return pricing_model({"type": "per_unit", "unit_price": price})


def policy(
    final: FinalAction = FinalAction.CANCEL,
    *,
    offsets: tuple[int, ...] = (1, 3, 7, 14),
    grace: int | None = 14,
    hard: HardDecline = HardDecline.STOP,
) -> DunningPolicy:
    return DunningPolicy(retry_offsets_days=offsets, grace_days=grace, final_action=final, on_hard_decline=hard)


def plan(code: str = "basic", amount: str = "10.00", interval: Interval = MONTH, **more: Any) -> PlanTerms:
    more = {"currency": "USD", "price": flat(amount)} | more
    return PlanTerms(code=code, version=1, name=code.title(), interval=interval, **more)


@dataclass
class Document:
    """An invoice as the database would keep it."""

    draft: InvoiceDraft
    status: str = "open"
    attempts: dict[int, PaymentFact] = field(default_factory=dict)
    credited: int = 0


# What the gateway says to an attempt: a decline code, None for paid, `action` for 3-D Secure.
Gateway = Callable[[str, int], str | None]


def always_pays(_invoice: str, _attempt: int) -> str | None:
    return None


class Life:
    def __init__(self, terms: PlanTerms | None = None, *, gateway: Gateway = always_pays, **opening: Any) -> None:
        given = {"quantity": 1, "timezone": "UTC", "start": START, "payment_method_id": "pm_1"} | opening
        self.gateway = gateway
        self.documents: dict[str, Document] = {}
        self.credits: list[tuple[Credit, int]] = []
        self.spans: dict[datetime, Span] = {}
        self.notes: list[Note] = []
        self.acted: list[core.Due] = []
        self.messages: set[str] = set()
        self.requests = 0
        self.all_paid = True
        self.used_until = datetime.min.replace(tzinfo=UTC)
        self.state = core.open_subscription(
            core.Opening(id="sub_1", customer_id="cus_1", terms=terms or plan(), **given)
        )
        self.now = self.state.created_at
        self._carry_out(core.begin(self.state))
        self.check()

    # --- what happens -------------------------------------------------------------------------------------------

    def advance(self, to: datetime | None = None, **by: float) -> "Life":
        """To an instant, or by days, hours, ..."""
        target = to or self.now + timedelta(**by)
        at_once = 0
        while (due := core.next_due(self.state)) is not None and due.at <= target:
            at_once = at_once + 1 if self.acted and due.at <= self.acted[-1].at else 0
            assert at_once < MOST_ACTS_AT_ONCE, f"a loop: {self.acted[-6:]}"
            self.now = max(self.now, due.at)
            self.acted.append(due)
            before = self.state
            self._carry_out(core.act(self.state, due))
            assert replace(self.state, step=0) != replace(before, step=0), f"{due} changed nothing"
            self.check()
        self.now = max(self.now, target)
        return self

    def send(self, command: c.Command) -> "Life":
        """Obey a command now. A refusal passes through, and has changed nothing."""
        self.advance(self.now)
        self.requests += 1
        command = replace(command, request_id=command.request_id or f"r{self.requests}", at=self.now)
        before = self.state
        try:
            decision = core.decide(self.state, command, max(self.now, self.state.as_of))
        except PerennialError:
            assert self.state == before
            raise
        self._carry_out(decision)
        self.check()
        return self

    def refused(self, command: c.Command) -> str:
        """The code of the refusal."""
        try:
            self.send(command)
        except PerennialError as error:
            return error.code
        raise AssertionError(f"{command} was accepted")

    def _carry_out(self, decision: Decision) -> None:
        assert decision.state.step == self.state.step + 1
        self.state = decision.state
        self.notes += decision.notes
        self.messages |= {message.key for message in decision.messages}
        self.spans |= {span.start: span for span in decision.spans}
        for effect in decision.effects:
            fact = self._perform(effect)
            if fact is not None:
                self._carry_out(core.settle(self.state, fact, max(fact.at, self.state.as_of)))

    # --- the world ----------------------------------------------------------------------------------------------

    def _perform(self, effect: Effect) -> PaymentFact | None:  # noqa: C901 - one case an effect
        match effect:
            case Bill():
                return self._bill(effect)
            case Collect(invoice=invoice, attempt=n, payment_method_id=method):
                if self.documents[invoice].status != "open":
                    return self._closed(invoice, n)
                return self._attempt(invoice, n, method)
            case Settle(invoice=invoice, attempt=n):
                document = self.documents[invoice]
                if document.status != "open" or n not in document.attempts:
                    return self._closed(invoice, n)
                return document.attempts[n]
            case CloseInvoice(invoice=invoice, status=status):
                document = self.documents[invoice]
                if document.status == "open":
                    document.status = status
                    self.all_paid = False
                return self._closed(invoice, 0)
            case Receive(invoice=invoice, attempt=n):
                document = self.documents[invoice]
                if document.status == "open":
                    document.status = "paid"
                return self._closed(invoice, n)
            case Credit():
                self._give_back(effect)
                return None

    def _bill(self, effect: Bill) -> PaymentFact:
        draft = effect.draft
        given_back = -sum(line.amount for line in draft.lines if line.corrects)
        paid = sum(self.left_of(key) for key in {key for line in draft.lines for key in line.corrects})
        assert given_back <= paid, f"{draft.key} credits {given_back}, of which {paid} have been paid"
        assert draft.key not in self.documents, f"{draft.key} is invoiced twice"
        assert draft.total >= 0, draft
        self.documents[draft.key] = Document(draft, "open" if draft.total else "paid")
        for stretch in draft.usage:
            assert stretch.start < stretch.end
            assert stretch.start >= self.used_until, f"{stretch} is billed twice"
            self.used_until = stretch.end
        if draft.total and effect.collect:
            return self._attempt(draft.key, 1, effect.payment_method_id)
        return self._closed(draft.key, 1)

    def _attempt(self, invoice: str, n: int, method: str | None) -> PaymentFact:
        document = self.documents[invoice]
        assert n not in document.attempts, f"attempt {n} at {invoice} is made twice"
        code = self.gateway(invoice, n) if method else NO_PAYMENT_METHOD
        status = PaymentStatus.DECLINED if code else PaymentStatus.PAID
        if code == "action":
            status, code = PaymentStatus.ACTION_REQUIRED, None
        if status is PaymentStatus.PAID:
            document.status = "paid"
        else:
            self.all_paid = False
        fact = document.attempts[n] = PaymentFact(invoice, status, n, self.state.as_of, code)
        return fact

    def authenticates(self) -> None:
        """The customer passes 3-D Secure: the gateway now says that the last attempt has gone through."""
        self.advance(self.now)
        case = self.state.collection
        if case is None or not self.documents[case.invoice].attempts:
            return
        invoice = case.invoice
        document = self.documents[invoice]
        n = max(document.attempts)
        document.attempts[n] = PaymentFact(invoice, PaymentStatus.PAID, n, self.now)
        document.status = "paid"
        self.send(c.PaymentEvent(invoice=invoice, attempt=n))

    def _closed(self, invoice: str, n: int) -> PaymentFact:
        statuses = {"open": PaymentStatus.OPEN, "paid": PaymentStatus.PAID}
        status = statuses.get(self.documents[invoice].status, PaymentStatus.CLOSED)
        return PaymentFact(invoice, status, n, self.state.as_of)

    def left_of(self, invoice: str) -> int:
        document = self.documents[invoice]
        return document.draft.total - document.credited if document.status == "paid" else 0

    def _give_back(self, effect: Credit) -> None:
        documents = [self.documents[key] for key in effect.invoices if key in self.documents]
        paid = [document for document in documents if document.status == "paid"]
        left = sum(document.draft.total - document.credited for document in paid)
        if effect.amount is not None:
            assert effect.amount > 0
            if self.all_paid and documents:
                assert effect.amount <= left, f"{effect} gives back more than the {left} that was billed"
        amount = left if effect.amount is None else min(effect.amount, left)
        self.credits.append((effect, amount))
        for document in paid:
            part = min(amount, document.draft.total - document.credited)
            document.credited += part
            amount -= part

    # --- laws ---------------------------------------------------------------------------------------------------

    def check(self) -> None:
        state = self.state
        assert load_state(dump_state(state)) == state
        assert state.as_of <= self.now
        self._check_tiling()
        case = state.collection
        assert not (case and case.in_flight), "nothing is in flight at rest"
        assert (state.status is Status.PAUSED) == (state.pause is not None)
        if state.status is Status.PAST_DUE:
            assert case, "who is past due owes something"
        if state.is_frozen and not state.parked_at:
            asked = core.next_due(state)
            assert not state.status.renews or (asked and asked.kind is core.DueKind.DISPUTE), "frozen, and it renews"
        if state.pause and state.pause.frozen and not state.is_frozen and not state.parked_at:
            assert core.next_due(state), "the dispute is over, and it stays frozen"
        if case:
            sent = case.due_at is not None
            assert sent or case.first_failed_at
            last_usage = case.invoice.endswith(":final")
            assert not state.status.is_ended or sent or last_usage
            for key in case.open_invoices:
                assert state.parked_at or self.documents[key].status == "open", key
        unpaid = [key for key, document in self.documents.items() if document.status == "open"]
        known = sorted(case.open_invoices if case else ())
        assert state.parked_at or sorted(unpaid) == known, "open invoices are those of the case"
        if state.status.is_ended:
            assert core.next_due(state) is None
        if due := core.next_due(state):
            late = due.kind.name.endswith("REMINDER") or due.kind is core.DueKind.PAYMENT_RETRY
            late |= "unparked" in self.kinds  # what fell due meanwhile
            assert late or due.at >= state.as_of, f"{due} lies before {state.as_of}"

    def _check_tiling(self) -> None:
        spans = [self.spans[start] for start in sorted(self.spans)]
        assert spans[0].start == self.state.created_at
        for this, following in pairwise(spans):
            assert this.end == following.start, f"{this} is not followed by {following}"
        assert spans[-1] == self.state.span
        assert all(span.end is None or span.start <= span.end for span in spans)
        if self.state.status in (Status.PAUSED, Status.UNPAID):
            assert spans[-1].end is None
        elif self.state.status.is_ended:
            assert spans[-1].end == self.state.ended_at
        else:
            assert spans[-1].end == self.state.period.end

    # --- figures ------------------------------------------------------------------------------------------------

    @property
    def billed(self) -> int:
        return sum(document.draft.total for document in self.documents.values())

    @property
    def credited(self) -> int:
        return sum(amount for _, amount in self.credits)

    @property
    def kinds(self) -> list[str]:
        """What the timeline tells, without the beginnings of periods."""
        return [note.kind for note in self.notes if note.kind != "period_began"]

    def totals(self) -> list[int]:
        return [document.draft.total for document in self.documents.values()]


def script(*answers: str | None) -> Gateway:
    """The gateway's answers in order; afterwards everything is paid."""
    left = list(answers)
    return lambda _invoice, _attempt: left.pop(0) if left else None
