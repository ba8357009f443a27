"""What people see at the end: what went wrong on purpose, what came of it, and what the checks say."""

from rich.console import Console
from rich.table import Table

from perennial.chaos.verdict import Verdict
from perennial.demo.verdict import detail

_MOST_FINDINGS = 20


def show(console: Console, verdict: Verdict) -> None:
    if verdict.defect:
        console.print(f"[bold red]A defect was planted: {verdict.defect}[/]")
    console.print(_faults(verdict))
    console.print(_figures(verdict))
    if verdict.findings:
        console.print(_findings(verdict))
    console.print(_checks(verdict))


def _faults(verdict: Verdict) -> Table:
    table = Table("kind", "how often", title="Faults injected", title_justify="left")
    for kind, count in sorted(verdict.faults_injected.items()):
        table.add_row(kind.value, str(count))
    return table


def _figures(verdict: Verdict) -> Table:
    table = Table(title="What came of it", title_justify="left", show_header=False)
    lived = f"{verdict.subscriptions} subscriptions, {verdict.months} months, seed {verdict.seed}"
    table.add_row("lived", lived)
    table.add_row("charges", f"{verdict.charges_due} due, {verdict.charges_captured} captured")
    table.add_row("duplicate charges", _nought(verdict.duplicate_charges))
    table.add_row("missed charges", _nought(verdict.missed_charges))
    table.add_row("lost commands", _nought(verdict.lost_commands))
    table.add_row("stuck subscriptions", _nought(verdict.stuck_subscriptions))
    table.add_row("the ledger balances", _yes(verdict.ledger_balanced))
    table.add_row("the gateway agrees", _yes(verdict.gateway_agrees))
    return table


def _findings(verdict: Verdict) -> Table:
    more = len(verdict.findings) - _MOST_FINDINGS
    table = Table(
        "what", "problem", title="Found", title_justify="left", caption=f"and {more} more" if more > 0 else ""
    )
    for finding in verdict.findings[:_MOST_FINDINGS]:
        table.add_row(finding.subscription, finding.problem)
    return table


def _checks(verdict: Verdict) -> Table:
    table = Table("", "check", "seen", title="Checks", title_justify="left")
    for check in verdict.checks:
        table.add_row("[green]ok[/]" if check.ok else "[bold red]WRONG[/]", check.name, detail(check))
    return table


def _nought(count: int) -> str:
    return f"[bold red]{count}[/]" if count else "0"


def _yes(holds: bool) -> str:  # noqa: FBT001 - a word for it
    return "yes" if holds else "[bold red]NO[/]"
