"""What people see at the end: what happened, one story, the revenue, the checks."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from perennial.checks import CheckResult
from perennial.db.models import Gift, MailboxMessage, Subscription
from perennial.demo.population import Group
from perennial.demo.scene import Diary
from perennial.demo.verdict import Verdict, detail
from perennial.domain.money import Money
from perennial.engine import timeline
from perennial.engine.context import Engine
from perennial.engine.timeline import Entry
from perennial.reports import registry
from perennial.reports.report import Kind, Report, Row

_LONGEST_STORY = 40
# When something is wrong, the lives in question are told instead, whatever their length.
_MOST_SUSPECTS = 3
_SUBSCRIPTION = re.compile(r"sub_\w+")


async def show(console: Console, engine: Engine, groups: Sequence[Group], diary: Diary, verdict: Verdict) -> None:
    statuses, gifts, messages = await engine.read(_happened)
    console.print(_what_happened(verdict, diary, statuses, gifts, messages))
    suspects = [suspect for check in verdict.checks if (suspect := _suspect(check))]
    lives = suspects[:_MOST_SUSPECTS] or await engine.read(_most_eventful)
    for subscription in lives:
        await _story(console, engine, groups, subscription)
    report = registry.find("revenue")
    rows = await engine.read(lambda session: report.run(session, report.parse({})))
    console.print(_report(report, _by_month(rows)))
    console.print(_checks(verdict))


def _happened(session: Session) -> tuple[Counter[str], Counter[str], int]:
    def by_status(model: Any) -> Counter[str]:
        rows = session.execute(select(model.status, func.count()).group_by(model.status))
        return Counter({row[0]: row[1] for row in rows})

    messages = session.scalar(select(func.count()).select_from(MailboxMessage)) or 0
    return by_status(Subscription), by_status(Gift), messages


def _what_happened(verdict: Verdict, diary: Diary, statuses: Counter[str], gifts: Counter[str], messages: int) -> Table:
    table = _table("What happened", "", "")
    table.add_row("customers", str(verdict.customers))
    table.add_row("subscriptions", f"{verdict.subscriptions}: {_counted(statuses)}")
    table.add_row("gifts", _counted(gifts) or "none")
    table.add_row("asked for", _counted(diary.done))
    table.add_row("refused", f"{_counted(diary.refused)} ({_counted(diary.reasons)})" if diary.refused else "nothing")
    table.add_row("renewals due", f"{verdict.renewals_due}, missed {verdict.missed_renewals}")
    table.add_row("invoices", f"{verdict.invoices_issued}, paid {verdict.invoices_paid}")
    declined = f"{verdict.declined_attempts} attempts declined, {verdict.duplicate_charges} charged twice"
    table.add_row("payments", declined)
    table.add_row("messages delivered", str(messages))
    return table


def _suspect(check: CheckResult) -> str | None:
    """The first subscription that a finding names."""
    words = " ".join(f"{finding.subject} {finding.problem}" for finding in check.findings)
    found = _SUBSCRIPTION.search(words)
    return found.group() if found else None


def _most_eventful(session: Session) -> list[str]:
    """The one that is still short enough to read, if there is one."""
    lengths = {one: len(timeline.load(session, one)) for one in session.scalars(select(Subscription.id))}
    short = {one: length for one, length in lengths.items() if length <= _LONGEST_STORY}
    return sorted(short, key=lambda one: (short[one], one))[-1:]


async def _story(console: Console, engine: Engine, groups: Sequence[Group], subscription: str) -> None:
    people = {f"sub_{person.number:04}": person for group in groups for person in group.people}
    person = people.get(subscription)
    who = f" ({person.name}, who {person.role})" if person else ""
    table = _table(f"The life of {subscription}{who}", "when (UTC)", "by", "what")
    for entry in await timeline.timeline(engine, subscription):
        table.add_row(*_line(entry))
    console.print(table)


def _line(entry: Entry) -> tuple[str, str, str]:
    return f"{entry.at:%Y-%m-%d %H:%M:%S}", entry.actor, entry.text


def _by_month(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row["currency"], row["month"]))


def _report(report: Report, rows: list[Row]) -> Table:
    table = Table(title=report.title, title_justify="left")
    for column in report.columns:
        table.add_column(column.title.lower(), justify="right" if column.kind is Kind.MONEY else "left")
    for row in rows:
        table.add_row(
            *(
                str(Money(row[column.name], row["currency"])) if column.kind is Kind.MONEY else str(row[column.name])
                for column in report.columns
            )
        )
    return table


def _checks(verdict: Verdict) -> Table:
    table = _table("Checks", "", "check", "seen")
    for check in verdict.checks:
        table.add_row("[green]ok[/]" if check.ok else "[bold red]WRONG[/]", check.name, detail(check))
    return table


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", show_header=any(headings))
    for heading in headings:
        table.add_column(heading)
    return table


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())
