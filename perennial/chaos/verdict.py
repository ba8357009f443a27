"""The figures of a run, gathered when everything has come to rest."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from perennial.chaos import expectation
from perennial.chaos.director import Account, Diary
from perennial.chaos.expectation import Answer, Asked
from perennial.chaos.judge import Case, Finding, judge
from perennial.chaos.kinds import Kind
from perennial.chaos.population import Group, Person
from perennial.checks import CheckResult, run_checks
from perennial.checks.stuck import find_stuck
from perennial.db.models import Subscription
from perennial.demo.verdict import detail
from perennial.domain.catalog import PlanTerms
from perennial.domain.subscription import Opening, State
from perennial.engine import plans, states
from perennial.engine.context import Engine
from perennial.gateways.simulator.witness import Capture, Witness, witness

_BOOKS = ("books_balance", "receivable_equals_open_invoices", "credit_equals_ledger", "refunds_payable_equals_pending")
_GATEWAY = ("gateway_agrees", "invoices_paid_once")

_REFUSED = text(
    "SELECT subject_id, data ->> 'command', count(*) FROM timeline_entries WHERE kind = 'refused' GROUP BY 1, 2"
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The figures of the JSON file, and what they rest on."""

    seed: int
    subscriptions: int
    months: int
    faults_injected: Mapping[Kind, int]
    worker_kills: int
    charges_due: int
    charges_captured: int
    duplicate_charges: int
    missed_charges: int
    lost_commands: int
    stuck_subscriptions: int
    ledger_balanced: bool
    gateway_agrees: bool
    findings: tuple[Finding, ...]
    checks: tuple[CheckResult, ...]
    defect: str | None = None

    @property
    def ok(self) -> bool:
        wrong = self.duplicate_charges + self.missed_charges + self.lost_commands + self.stuck_subscriptions
        agreed = self.ledger_balanced and self.gateway_agrees and not self.findings
        return not wrong and agreed and all(check.ok for check in self.checks)

    def as_dict(self, wall_seconds: float) -> dict[str, Any]:
        hidden = ("findings", "checks", "defect", "faults_injected")
        figures = {name: getattr(self, name) for name in self.__slots__ if name not in hidden}
        faults = {kind.value: count for kind, count in sorted(self.faults_injected.items())}
        checks = [{"name": check.name, "ok": check.ok, "detail": detail(check)} for check in self.checks]
        findings = [{"subject": each.subscription, "problem": each.problem} for each in self.findings]
        told = figures | {"faults_injected": faults, "wall_seconds": round(wall_seconds, 1)}
        told |= {"findings": findings, "checks": checks}
        return told | ({"planted_defect": self.defect} if self.defect else {})


async def reach_verdict(
    engine: Engine,
    groups: Sequence[Group],
    diary: Diary,
    *,
    seed: int,
    months: int,
    injected: Mapping[Kind, int],
    defect: str | None = None,
) -> Verdict:
    """After everything has come to rest."""
    books = await asyncio.to_thread(witness, engine.db)
    sentences = [judge(case) for case in await _cases(engine, groups, diary, books)]
    checks = await run_checks(engine)
    by_name = {check.name: check for check in checks}
    stuck = await find_stuck(engine)
    findings = [finding for sentence in sentences for finding in sentence.findings]
    findings += [Finding(each.id, f"it is stuck: {each.cause}") for each in stuck]
    findings += [Finding(name, "did not come to rest") for name in diary.stranded]
    findings += [Finding(name, "never got an answer") for name in diary.unanswered]
    return Verdict(
        seed=seed,
        subscriptions=len(sentences),
        months=months,
        faults_injected=injected,
        worker_kills=injected.get(Kind.KILL_WORKER, 0),
        charges_due=sum(sentence.due for sentence in sentences),
        charges_captured=len(books.captures),
        duplicate_charges=max(sum(sentence.duplicates for sentence in sentences), len(books.duplicates)),
        missed_charges=sum(sentence.missed for sentence in sentences),
        lost_commands=sum(sentence.lost for sentence in sentences) + len(diary.unanswered),
        stuck_subscriptions=max(len(stuck), len(diary.stranded)),
        ledger_balanced=books.balanced and all(by_name[name].ok for name in _BOOKS),
        gateway_agrees=all(by_name[name].ok for name in _GATEWAY),
        findings=tuple(findings),
        checks=tuple(checks),
        defect=defect,
    )


async def _cases(engine: Engine, groups: Sequence[Group], diary: Diary, books: Witness) -> list[Case]:
    captures: dict[str, list[Capture]] = {}
    for capture in books.captures:
        captures.setdefault(capture.customer_reference, []).append(capture)
    recorded, refused = await engine.read(_recorded), await engine.read(_refused)
    cases = []
    for group in groups:
        for person in group.people:
            terms = await plans.terms(engine, person.plan, person.currency)
            account = diary.accounts.get(person.customer)
            if account is None:
                continue  # never got in, which is a finding of its own
            lives = await asyncio.to_thread(_lives, group, person, account, terms, account.asked)
            deaf = [[_unheard(asked) for asked in each] for each in account.asked]
            case = Case(
                subscription=account.subscription,
                asked=tuple(asked for each in account.asked for asked in each),
                lives=lives or await asyncio.to_thread(_lives, group, person, account, terms, deaf),
                explained=bool(lives),
                refused=refused.get(account.subscription, {}),
                recorded=recorded.get(account.subscription),
                captures=tuple(captures.get(person.customer, ())),
                tells_later=person.bank_is_slow,
                told_paid=frozenset(account.told_paid),
            )
            cases.append(case)
    return cases


def _recorded(session: Session) -> dict[str, State]:
    return {row.id: states.current(session, row) for row in session.query(Subscription)}


def _refused(session: Session) -> dict[str, dict[str, int]]:
    """How often each subscription has refused each command, by its timeline."""
    found: dict[str, dict[str, int]] = {}
    for subscription, command, count in session.execute(_REFUSED):
        found.setdefault(subscription, {})[command] = count
    return found


def _unheard(asked: Asked) -> Asked:
    return asked if asked.answer is Answer.UNTOLD else replace(asked, answer=Answer.UNKNOWN)


def _lives(
    group: Group, person: Person, account: Account, terms: PlanTerms, rounds: Sequence[Sequence[Asked]]
) -> tuple[expectation.Life, ...]:
    """Each life that fits, whichever card it began with."""
    opening = Opening(
        id=account.subscription,
        customer_id=person.customer,
        terms=terms,
        quantity=person.quantity,
        timezone=group.timezone,
        start=group.start,
        test_clock_id=group.clock,
    )
    return tuple(
        life
        for first in account.firsts
        for life in expectation.lives(
            replace(opening, payment_method_id=first), account.cards, [each for each in rounds if each], group.end
        )
    )
