"""Right or wrong, by witnesses outside the engine: the simulator's own ledger, and what was due by the calendar."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from perennial.chaos.expectation import Answer, Asked, Life
from perennial.domain import keys
from perennial.domain.subscription import State
from perennial.gateways.simulator.witness import Capture


@dataclass(frozen=True, slots=True)
class Case:
    """One subscription before the judge: what was asked, the lives that it may have led, what the books say of it.

    `recorded` is None when there is no row. `tells_later`: its bank decides late, so what it went through on the way
    depends on webhooks; only where it stands in the end is compared. Not `explained`: no life fits the answers, and
    `lives` are those that fit the wishes alone. `refused`: commands that the timeline says were refused, by name.
    `told_paid`: invoices (ids) of which the checkout page has said that they are paid.
    """

    subscription: str
    asked: tuple[Asked, ...]
    lives: tuple[Life, ...]
    recorded: State | None
    captures: tuple[Capture, ...]
    tells_later: bool = False
    explained: bool = True
    refused: Mapping[str, int] = field(default_factory=dict)
    told_paid: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Finding:
    subscription: str
    problem: str


@dataclass(frozen=True, slots=True)
class Sentence:
    """Of one case. `due` are the charges that the gateway should have taken; `captured` those that it has."""

    due: int
    captured: int
    duplicates: int = 0
    missed: int = 0
    lost: int = 0
    findings: tuple[Finding, ...] = field(default=())


def judge(case: Case) -> Sentence:
    """By the life that explains most. There is one at least."""
    return min((_compare(case, life) for life in case.lives), key=lambda one: (len(one.findings), one.missed))


def _compare(case: Case, life: Life) -> Sentence:
    taken: dict[str, list[Capture]] = {}
    # The description is the invoice: it stands there also when an engine would name its charges anew each time.
    names = {keys.invoice_id(key): key for key in life.charges}
    for capture in case.captures:
        taken.setdefault(names.get(capture.description, capture.description), []).append(capture)
    missed = [key for key in life.charges if key not in taken]
    twice = {key: found for key, found in taken.items() if len(found) > 1 and key in life.charges}
    strange = {key: found for key, found in taken.items() if key not in life.charges}
    lost = _lost(case)
    not_taken = sorted(case.told_paid - {capture.description for capture in case.captures})
    problems = [
        *([] if case.explained else ["no order of what was asked explains the answers"]),
        *(f"{key} was due, and nothing was taken" for key in missed),
        *(f"{key} was taken {len(found)} times: {_named(found)}" for key, found in twice.items()),
        *(f"{key} was taken, and was not due: {_named(found)}" for key, found in strange.items()),
        *_amounts(life, taken),
        *(f"{invoice}: the page said that it is paid, and nothing was taken" for invoice in not_taken),
        *(f"{name} was accepted, and has left no trace" for name in lost),
        *_standing(case, life),
    ]
    return Sentence(
        due=len(life.charges),
        captured=len(case.captures),
        duplicates=sum(len(found) - 1 for found in twice.values()) + sum(map(len, strange.values())),
        missed=len(missed),
        lost=len(lost) + len(not_taken),
        findings=tuple(Finding(case.subscription, problem) for problem in problems),
    )


def _named(captures: Sequence[Capture]) -> str:
    return ", ".join(capture.charge_key for capture in captures)


def _amounts(life: Life, taken: Mapping[str, Sequence[Capture]]) -> list[str]:
    problems = []
    for key, charge in life.charges.items():
        for capture in taken.get(key, ())[:1]:
            if capture.amount != charge.amount:
                problems.append(f"{key}: {charge.amount} was due, {capture.amount} was taken")
            if capture.refunded != charge.refunded:
                problems.append(f"{key}: {charge.refunded} was to be given back, {capture.refunded} was")
    return problems


def _lost(case: Case) -> list[str]:
    """What was accepted is in the state that is recorded; what was taken in is there, or was refused on the record."""
    applied = case.recorded.applied if case.recorded else ()
    traceless = [asked for asked in case.asked if asked.command.request_id not in applied]
    names = [_name(asked) for asked in traceless if asked.answer is Answer.ACCEPTED]
    taken_in = Counter(_name(asked) for asked in traceless if asked.answer is Answer.UNKNOWN)
    return [*names, *(taken_in - Counter(case.refused)).elements()]


def _name(asked: Asked) -> str:
    return type(asked.command).__name__


def _standing(case: Case, life: Life) -> list[str]:
    """Where the engine says that it stands, and where this life has ended."""
    if case.recorded is None:
        return ["it has no row"]
    ours = {asked.command.request_id for asked in case.asked}
    told, lived = _seen(case.recorded, ours), _seen(life.state, ours)
    if case.tells_later:
        told, lived = ({name: seen[name] for name in ("status", "plan", "period")} for seen in (told, lived))
    return [f"its {name} is {told[name]}, and should be {lived[name]}" for name in lived if told[name] != lived[name]]


def _seen(state: State, ours: set[str]) -> dict[str, Any]:
    return {
        "status": state.status.value,
        "plan": (state.terms.code, state.quantity),
        "period": (state.period_no, state.period.start.isoformat()),
        "end": state.ended_at,
        "cancellation": state.cancellation and state.cancellation.at,
        "open invoice": state.collection and state.collection.invoice,
        "obeyed": sorted(request for request in state.applied if request in ours),
        "credit": state.period_billed,
    }
