"""What a reset would do: which steps again, what each would find done, and which commands would be heard again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from perennial.contracts import activities as tasks
from perennial.db.models import CreditNote, Invoice, PaymentAttempt
from perennial.db.repositories import invoices, payments
from perennial.domain import keys
from perennial.domain.errors import CommandRefused
from perennial.engine.context import Engine
from perennial.support import commands as heard
from perennial.support.commands import Heard
from perennial.support.histories import Line
from perennial.support.steps import Point, Step, from_here

# Sent and not answered. One that waits for the customer's bank moves when he does; it is found as it is.
IN_FLIGHT = (payments.PENDING, payments.PROCESSING)


class ChargeInFlight(CommandRefused):
    code = "charge_in_flight"

    def __init__(self, subject: str, what: str) -> None:
        super().__init__(
            subject,
            f"{what}: a reset now could ask for it a second time before the first is known. "
            f"`perennial support retry {subject}` asks what became of it; reset afterwards",
        )


class WouldForget(CommandRefused):
    """Temporal applies again what the run and those after it have heard, not what came after an earlier reset."""

    code = "would_forget"

    def __init__(self, line: Line, steps: Sequence[Step], forgotten: Sequence[Heard]) -> None:
        named = ", ".join(f"{each.command} ({each.at or 'no date'})" for each in forgotten)
        reachable = [step for step in steps if step.point.run_id in line.unbroken]
        instead = f"step {reachable[0].number} ({reachable[0].name}) or a later one" if reachable else "no step at all"
        super().__init__(
            line.subscription,
            f"it was reset before, and what it has heard since would be forgotten: {named}. "
            f"It can be reset to {instead}",
        )


@dataclass(frozen=True, slots=True)
class Again:
    """A step that would be done again. `is_done`: it finds what it did, so it does nothing anew; `found` says it."""

    number: int
    name: str
    at: datetime
    words: str
    is_done: bool
    found: str


@dataclass(frozen=True, slots=True)
class Plan:
    """`to` says where, `commands` what is heard again. `charges`: steps that were not done yet, so that what they
    charge is charged for the first time.
    """

    subscription: str
    to: str
    why: str
    point: Point
    steps: tuple[Again, ...]
    commands: tuple[Heard, ...]

    @property
    def charges(self) -> tuple[Again, ...]:
        return tuple(step for step in self.steps if not step.is_done)


async def plan(engine: Engine, line: Line, steps: Sequence[Step], point: Point, to: str, why: str = "") -> Plan:
    """Raises WouldForget."""
    commands = await heard.after(engine, line, point)
    kept = await heard.kept_by_temporal(engine, line, point)
    if forgotten := [each for each in commands if each.name_of not in kept]:
        raise WouldForget(line, steps, forgotten)
    again = from_here(steps, line, point)
    found = await engine.read(lambda session: tuple(_look(session, step) for step in again))
    return Plan(line.subscription, to, why, point, found, commands)


def refuse_in_flight(session: Session, subscription: str) -> None:
    """Raises ChargeInFlight: an attempt was sent and not answered."""
    row = session.execute(
        select(PaymentAttempt.key, PaymentAttempt.status)
        .join(Invoice, Invoice.id == PaymentAttempt.invoice_id)
        .where(Invoice.subscription_id == subscription, PaymentAttempt.status.in_(IN_FLIGHT))
    ).first()
    if row:
        raise ChargeInFlight(subscription, f"the charge {row.key} is {row.status}")


def _look(session: Session, step: Step) -> Again:
    is_done, found = _found(session, step)
    return Again(step.number, step.name, step.at, step.words, is_done, found)


def _found(session: Session, step: Step) -> tuple[bool, str]:
    match step.task:
        case tasks.BillTask(effect=effect):
            return _billed(session, effect.draft.key, step, collect=effect.collect)
        case tasks.CollectTask(effect=effect):
            return _collected(session, effect.invoice, effect.attempt, step)
        case tasks.SettleTask():
            return True, "the gateway is asked; nothing is charged"
        case tasks.CloseTask(effect=effect):
            invoice = invoices.find(session, effect.invoice)
            return True, f"the invoice is {invoice.status if invoice else 'missing'}: an open one is closed, no other"
        case tasks.ReceiveTask(effect=effect):
            return _collected(session, effect.invoice, effect.attempt, step)
        case tasks.CreditTask(effect=effect):
            number = session.scalar(select(CreditNote.number).where(CreditNote.key == effect.key))
            if number:
                return True, f"credit note {number} is found: nothing is given back again"
            return step.is_done, "it came to nothing" if step.is_done else "not done yet: is given back now"
        case tasks.RecordTask():
            return True, "the same rows are written"
        case _:
            return step.is_done, "found under its business key" if step.is_done else "not done yet"


def _billed(session: Session, key: str, step: Step, *, collect: bool) -> tuple[bool, str]:
    number = session.scalar(select(Invoice.number).where(Invoice.key == key))
    if number is None:
        return step.is_done, "it came to nothing" if step.is_done else "not done yet: is billed now, as it was due"
    attempt = payments.find(session, keys.invoice_id(key), 1) if collect else None
    if attempt:
        return True, f"invoice {number} and its charge ({attempt.status}) are found: nothing is charged again"
    return True, f"invoice {number} is found: nothing is issued again"


def _collected(session: Session, invoice: str, n: int, step: Step) -> tuple[bool, str]:
    attempt = payments.find(session, keys.invoice_id(invoice), n)
    if attempt:
        return True, f"attempt {n} ({attempt.status}) is found: nothing is charged again"
    if step.is_done:
        return True, "the invoice was closed by then: nothing is charged"
    return False, "not done yet: is charged now, as it was due"
