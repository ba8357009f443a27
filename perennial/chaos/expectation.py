"""What was due, computed without the engine: the pure core, the plan, the card's script, and what was asked.

Where two things were asked for at once, or something fell due while people were asking, nobody can say in which order
they had to come. So a person has several possible lives, one for each order, and the engine is right when it has lived
one of them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from perennial.chaos.visits import AUTHENTICATES, UNANSWERED
from perennial.domain import subscription as core
from perennial.domain.errors import PerennialError
from perennial.domain.subscription import Opening, State, open_subscription
from perennial.domain.subscription.commands import Command
from perennial.domain.subscription.effects import (
    Bill,
    CloseInvoice,
    Collect,
    Credit,
    Decision,
    Effect,
    PaymentFact,
    PaymentStatus,
    Receive,
    Settle,
)
from perennial.gateways.simulator.cards import card

# Between two moves of a clock, workflows' own clocks run on with the machine's: what falls due so soon after the
# instant at which the clock stands may happen before or after what is asked at that instant.
RUNS_ON = timedelta(minutes=20)


class Answer(StrEnum):
    """`UNKNOWN`: it was taken in, as a signal or with a 202; whether it was then obeyed or refused was not told.

    `UNTOLD`: it was handed in at the checkout page, which says how the invoice stands, and nothing of the command.
    """

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    UNTOLD = "untold"


@dataclass(frozen=True, slots=True)
class Asked:
    """A command and what was answered. `command.at` is where the clock stood.

    `window`: what was sent from one window came in that order.
    """

    command: Command
    answer: Answer
    window: str | None = None


@dataclass(frozen=True, slots=True)
class Charge:
    """What the gateway should have taken for an invoice, and given back of it; minor units."""

    amount: int
    refunded: int = 0


@dataclass(frozen=True, slots=True)
class Life:
    """One way in which it may have gone. `charges` by the business key of the invoice.

    `attempts` counts the charges of each card: scripts of test cards look back. `balance` is the customer's credit.
    `known` are the cards whose owner has passed 3-D Secure; that takes somebody who sits before the page (`present`).
    """

    state: State
    tokens: Mapping[str, str]
    open: Mapping[str, int] = field(default_factory=dict)
    charges: Mapping[str, Charge] = field(default_factory=dict)
    attempts: Mapping[str, int] = field(default_factory=dict)
    balance: int = 0
    known: frozenset[str] = frozenset()
    present: bool = False


def lives(
    opening: Opening, tokens: Mapping[str, str], rounds: Sequence[Sequence[Asked]], end: datetime
) -> tuple[Life, ...]:
    """Every life that fits the answers. `rounds` in order; what stands in one round was asked at the same time.

    `tokens`: the cards by the ids of payment methods. None at all: no order of things explains the answers.
    """
    state = open_subscription(opening)
    begun = _carry_out(Life(state, tokens, present=True), core.begin(state))
    possible: list[Life] = [replace(begun, present=False)]
    for asked in rounds:
        possible = _distinct(each for life in possible for each in _round(life, tuple(asked)))
    return tuple(_distinct(each for life in possible for each in _to_the_end(life, end)))


def _round(life: Life, asked: tuple[Asked, ...]) -> Iterator[Life]:
    stands_at = asked[0].command.at
    assert stands_at is not None, "whoever asks says when"
    for lived in _any_order(_until(life, stands_at), asked, stands_at + RUNS_ON):
        yield replace(lived, present=False)


def _any_order(life: Life, asked: tuple[Asked, ...], latest: datetime) -> Iterator[Life]:
    if not asked:
        yield life
        return
    for n, one in enumerate(asked):
        if one.window and any(before.window == one.window for before in asked[:n]):
            continue
        for further in _obey(life, one):
            yield from _any_order(further, asked[:n] + asked[n + 1 :], latest)
    if (due := core.next_due(life.state)) is not None and due.at <= latest:
        yield from _any_order(_carry_out(life, core.act(life.state, due)), asked, latest)


def _obey(life: Life, asked: Asked) -> Iterator[Life]:
    """Nothing when the answer cannot have been given in this state."""
    command = asked.command
    assert command.at is not None, "whoever asks says when"
    if asked.answer is Answer.UNTOLD:
        yield life
    try:
        decision = core.decide(life.state, command, max(command.at, life.state.as_of))
    except PerennialError:
        if asked.answer in (Answer.REFUSED, Answer.UNKNOWN):
            yield life
        return
    if asked.answer is not Answer.REFUSED:
        # Whoever has handed something in watches the page until it is paid.
        yield _carry_out(replace(life, present=life.present or asked.answer is Answer.UNTOLD), decision)


def _until(life: Life, instant: datetime) -> Life:
    while (due := core.next_due(life.state)) is not None and due.at <= instant:
        life = _carry_out(life, core.act(life.state, due))
    return life


def _to_the_end(life: Life, end: datetime) -> Iterator[Life]:
    """Whoever looks comes a little later."""
    life = _until(life, end)
    yield life
    while (due := core.next_due(life.state)) is not None and due.at <= end + RUNS_ON:
        life = _carry_out(life, core.act(life.state, due))
        yield life


def _distinct(all_lives: Iterator[Life]) -> list[Life]:
    found: list[Life] = []
    for life in all_lives:
        if life not in found:
            found.append(life)
    return found


# --- what the world does ---------------------------------------------------------------------------------------------


def _carry_out(life: Life, decision: Decision) -> Life:
    life = replace(life, state=decision.state)
    for effect in decision.effects:
        life, fact = _perform(life, effect)
        if fact is not None:
            life = _carry_out(life, core.settle(life.state, fact, max(fact.at, life.state.as_of)))
    return life


def _perform(life: Life, effect: Effect) -> tuple[Life, PaymentFact | None]:
    at = life.state.as_of
    match effect:
        case Bill(draft=draft, collect=collect):
            credit = min(life.balance, max(draft.total, 0))
            due = draft.total - credit
            if due <= 0:
                return replace(life, balance=life.balance - credit), PaymentFact(draft.key, PaymentStatus.PAID, 1, at)
            life = replace(life, balance=life.balance - credit, open={**life.open, draft.key: due})
            if not collect:
                return life, PaymentFact(draft.key, PaymentStatus.OPEN, 1, at)
            return _attempt(life, draft.key, 1, effect.payment_method_id)
        case Collect(invoice=invoice, attempt=attempt, payment_method_id=method):
            return _attempt(life, invoice, attempt, method)
        case CloseInvoice(invoice=invoice):
            return replace(life, open=_without(life.open, invoice)), PaymentFact(invoice, PaymentStatus.CLOSED, 0, at)
        case Credit():
            return _credit(life, effect), None
        case Settle() | Receive():  # only webhooks and bank transfers want these
            return life, None


def _attempt(life: Life, invoice: str, n: int, method: str | None) -> tuple[Life, PaymentFact]:
    """A charge as the card's script says. What its bank decides late is decided well; so is 3-D Secure by whoever is
    present. Mails about it are not answered.
    """
    at = life.state.as_of
    if invoice not in life.open:
        return life, PaymentFact(invoice, PaymentStatus.PAID, n, at)
    token = life.tokens[method or ""]
    number = life.attempts.get(token, 0) + 1
    life = replace(life, attempts={**life.attempts, token: number})
    asks = token.startswith(AUTHENTICATES) and token not in life.known
    if token.startswith(UNANSWERED) or (asks and not life.present):
        return life, PaymentFact(invoice, PaymentStatus.ACTION_REQUIRED, n, at)
    life = replace(life, known=life.known | {token}) if asks else life
    script = card(token)
    if script.declines(number):
        return life, PaymentFact(invoice, PaymentStatus.DECLINED, n, at, script.decline_code)
    taken = {**life.charges, invoice: Charge(life.open[invoice])}
    life = replace(life, charges=taken, open=_without(life.open, invoice))
    return life, PaymentFact(invoice, PaymentStatus.PAID, n, at)


def _credit(life: Life, credit: Credit) -> Life:
    """To the balance, or back through the gateway: from the newest invoice on, as far as something was taken for it."""
    amount = credit.amount
    if not credit.refund:
        return replace(life, balance=life.balance + (amount or 0))
    charges = dict(life.charges)
    left = sum(charge.amount for charge in charges.values()) if amount is None else amount
    for key in reversed(credit.invoices):
        if key in charges and left:
            part = min(left, charges[key].amount - charges[key].refunded)
            charges[key] = replace(charges[key], refunded=charges[key].refunded + part)
            left -= part
    return replace(life, charges=charges, balance=life.balance + left)


def _without(amounts: Mapping[str, int], key: str) -> Mapping[str, int]:
    return {name: amount for name, amount in amounts.items() if name != key}
