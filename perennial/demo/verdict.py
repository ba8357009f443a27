"""What the demo says of itself: figures, and whether everything holds, by witnesses outside the engine."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from perennial.checks import CheckResult, Finding, run_checks
from perennial.db.models import Customer, Invoice, PaymentAttempt, Subscription
from perennial.demo.papers import close_books, judge_e_invoices
from perennial.demo.places import place_of
from perennial.demo.population import Group, Person
from perennial.demo.scene import Diary
from perennial.demo.stage import undelivered
from perennial.domain import calendar
from perennial.engine import plans
from perennial.engine.context import Engine
from perennial.gateways.simulator.witness import Capture, witness

LOYAL = ("is loyal", "is loyal by the week", "is loyal by the year")
_DELIVERY_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Verdict:
    """The figures of the JSON file."""

    customers: int
    subscriptions: int
    months: int
    renewals_due: int
    invoices_issued: int
    invoices_paid: int
    declined_attempts: int
    duplicate_charges: int
    missed_renewals: int
    ledger_balanced: bool
    gateway_agrees: bool
    checks: tuple[CheckResult, ...]

    @property
    def ok(self) -> bool:
        clean = not self.duplicate_charges and not self.missed_renewals and self.ledger_balanced and self.gateway_agrees
        return clean and all(check.ok for check in self.checks)

    def as_dict(self, wall_seconds: float) -> dict[str, Any]:
        figures = {name: getattr(self, name) for name in self.__slots__ if name != "checks"}
        checks = [{"name": check.name, "ok": check.ok, "detail": detail(check)} for check in self.checks]
        return figures | {"wall_seconds": round(wall_seconds, 1), "checks": checks}


def detail(check: CheckResult) -> str:
    """One line: what was looked at, and the first thing that was wrong."""
    first = next((f"; {finding.subject}: {finding.problem}" for finding in check.findings), "")
    return check.detail + first


async def judge(engine: Engine, groups: Sequence[Group], months: int, diary: Diary) -> Verdict:
    """After everything has come to rest."""
    delivered = await _delivered(engine)
    await close_books(engine, max(group.end for group in groups))
    checks = [
        *await run_checks(engine),
        delivered,
        _previews(diary),
        await _loyal_lives(engine, groups),
        await judge_e_invoices(engine),
    ]
    by_name = {check.name: check for check in checks}
    figures: Counter[str] = Counter()
    for check in checks:
        figures.update(check.figures)
    counts = await engine.read(_counts)
    return Verdict(
        **counts,
        months=months,
        renewals_due=figures["renewals_due"],
        duplicate_charges=max(figures["duplicate_charges"], len(witness(engine.db).duplicates)),
        missed_renewals=figures["missed_renewals"],
        ledger_balanced=by_name["books_balance"].ok and by_name["receivable_equals_open_invoices"].ok,
        gateway_agrees=by_name["gateway_agrees"].ok,
        checks=tuple(checks),
    )


def _counts(session: Session) -> dict[str, int]:
    def count(model: Any, *where: Any) -> int:
        return session.scalar(select(func.count()).select_from(model).where(*where)) or 0

    return {
        "customers": count(Customer),
        "subscriptions": count(Subscription),
        "invoices_issued": count(Invoice),
        "invoices_paid": count(Invoice, Invoice.status == "paid"),
        "declined_attempts": count(PaymentAttempt, PaymentAttempt.status == "declined"),
    }


async def _delivered(engine: Engine) -> CheckResult:
    deadline = time.monotonic() + _DELIVERY_SECONDS
    while (waiting := await undelivered(engine)) and time.monotonic() < deadline:  # noqa: ASYNC110 - rows are no events
        await asyncio.sleep(0.1)
    return CheckResult("every_message_is_delivered", not waiting, f"{waiting} messages wait in the outbox")


def _previews(diary: Diary) -> CheckResult:
    """Every change was previewed first; what was then charged and credited is what the preview had said."""
    findings = tuple(Finding("preview", surprise) for surprise in diary.surprises)
    said = f"{diary.previews} previews, {sum(diary.refused.values())} refusals: {len(findings)} surprises"
    return CheckResult("previews_come_true", not findings, said, findings)


async def _loyal_lives(engine: Engine, groups: Sequence[Group]) -> CheckResult:
    """Who asks for nothing and has a good card pays at each boundary of the calendar, once, the price of the plan.

    From the script and the simulator's own books alone: nothing that the engine has written is asked.
    """
    captures: dict[str, list[Capture]] = {}
    for capture in witness(engine.db).captures:
        captures.setdefault(capture.customer_reference, []).append(capture)
    findings: list[Finding] = []
    loyal = [(group, person) for group in groups for person in group.people if person.role in LOYAL]
    for group, person in loyal:
        customer = f"cus_{person.number:04}"
        due, price = await _dues(engine, group, person)
        paid = captures.get(customer, [])
        if len(paid) != len(due):
            findings.append(Finding(customer, f"{len(due)} payments were due, the gateway took {len(paid)}"))
        if wrong := [capture for capture in paid if capture.amount != price]:
            findings.append(Finding(customer, f"{price} each were due, the gateway took {wrong[0].amount}"))
    return CheckResult("loyal_lives_are_billed_by_the_calendar", not findings, f"{len(loyal)} lives", tuple(findings))


async def _dues(engine: Engine, group: Group, person: Person) -> tuple[list[datetime], int]:
    """When this person's periods begin, up to the end of the demo, and what each costs (minor units)."""
    terms = await plans.terms(engine, person.plan or "", person.currency)
    anchor = calendar.to_wall(group.start, person.timezone)
    due, index = [], 0
    while (at := calendar.boundary(anchor, terms.interval, person.timezone, index)) <= group.end:
        due.append(at)
        index += 1
    return due, place_of(person.number).with_tax(terms.amount(person.quantity))
