"""`perennial demo` through the real command line: a small population lives for three months, and everything holds."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from perennial.cli.main import run
from perennial.stack import Stack
from perennial.stack.folder import StackFolder

KEYS = {
    "customers",
    "subscriptions",
    "months",
    "renewals_due",
    "invoices_issued",
    "invoices_paid",
    "declined_attempts",
    "duplicate_charges",
    "missed_renewals",
    "ledger_balanced",
    "gateway_agrees",
    "wall_seconds",
    "checks",
}


def _demo(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "perennial", "demo", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=170)


def test_a_small_population_lives_three_months_and_every_check_holds(tmp_path: Path) -> None:
    files = ("--json", "demo.json", "--papers", "papers", "--keep", "kept")
    done = _demo(tmp_path, "--customers", "5", "--months", "3", "--seed", "4", *files)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads((tmp_path / "demo.json").read_text())
    assert figures.keys() == KEYS
    assert (figures["customers"], figures["months"]) == (5, 3)
    assert figures["renewals_due"] >= 5
    assert figures["invoices_issued"] >= figures["invoices_paid"] > 0
    assert (figures["missed_renewals"], figures["duplicate_charges"]) == (0, 0)
    assert figures["ledger_balanced"] is True
    assert figures["gateway_agrees"] is True
    assert all(check.keys() == {"name", "ok", "detail"} and check["ok"] for check in figures["checks"])
    for title in ("What happened", "The life of sub_", "Revenue by month", "Checks", "Every check holds."):
        assert title in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"demo.json", "papers", "kept"}
    _check_papers(tmp_path / "papers", figures["invoices_issued"])
    _check_histories(tmp_path / "kept", figures["subscriptions"])


def _check_papers(folder: Path, invoices: int) -> None:
    """A PDF of each document, an e-invoice where there can be one, and books that another program finds in balance."""
    pdfs, xmls = (sorted((folder / "documents").glob(f"*.{form}")) for form in ("pdf", "xml"))
    assert len(pdfs) >= invoices
    assert xmls
    assert all(path.read_bytes().startswith(b"%PDF-1.7") for path in pdfs)
    checker = Path(sys.executable).with_name("bean-check")
    checked = subprocess.run([checker, folder / "ledger.beancount"], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def _check_histories(kept: Path, subscriptions: int) -> None:
    """What was kept is there again, and today's code decides the same in every run of it."""
    with Stack(StackFolder(kept, throw_away=False), ui=False) as again:
        command = [sys.executable, "-P", "-m", "perennial", "support", "replay", "--all", "--json"]
        environment = os.environ | again.environment()
        told = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr) == (0, "")
    replayed = json.loads(told.stdout)
    assert replayed["runs"] >= subscriptions > 0
    assert replayed["different"] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("--customers", "0"),
        ("--customers", "many"),
        ("--months", "-1"),
        ("--seed", "x"),
        ("--json", "no/such/folder/demo.json"),
        ("--papers", "/dev/null/papers"),
        ("--keep", "/dev"),
    ],
)
def test_unusable_arguments_are_one_line_and_end_with_2(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, str]
) -> None:
    assert run(["demo", *arguments]) == 2
    told = capsys.readouterr()
    assert (told.out, told.err.count("\n")) == ("", 1)
    assert arguments[0] in told.err
