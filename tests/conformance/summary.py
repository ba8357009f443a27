"""What is printed at the end of a run that met vectors."""

from collections import Counter

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line for each family, so that a glance tells what has been proved."""
    passed: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for outcome in ("passed", "failed", "error", "skipped", "xfailed", "xpassed"):
        for report in terminalreporter.stats.get(outcome, ()):
            # what fails while it is collected has no properties
            family = dict(getattr(report, "user_properties", ())).get("family")
            if family is not None and (report.when == "call" or outcome == "error"):
                total[family] += 1
                passed[family] += outcome == "passed"
    if total:
        terminalreporter.section("conformance")
    for family in sorted(total):
        terminalreporter.write_line(f"{family} {passed[family]}/{total[family]}")
