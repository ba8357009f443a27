"""Chaos through the real command line, and a judge who sees what is done to the books behind the engine's back."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from perennial.chaos import defects
from perennial.chaos.director import Director
from perennial.chaos.house import House
from perennial.chaos.kinds import PROCESSES, Kind
from perennial.chaos.population import populate
from perennial.chaos.portal import Portal
from perennial.chaos.verdict import Verdict, reach_verdict
from perennial.cli.main import run
from perennial.engine.context import Engine, open_engine

KEYS = {
    "seed",
    "subscriptions",
    "months",
    "faults_injected",
    "worker_kills",
    "charges_due",
    "charges_captured",
    "duplicate_charges",
    "missed_charges",
    "lost_commands",
    "stuck_subscriptions",
    "ledger_balanced",
    "gateway_agrees",
    "wall_seconds",
    "findings",
    "checks",
}
RACES = (Kind.RACE_CHECKOUT, Kind.RACE_PORTAL, Kind.RACE_CANCEL, Kind.RACE_UPGRADE)
WRONG = ("duplicate_charges", "missed_charges", "lost_commands", "stuck_subscriptions")
COMMAND = [sys.executable, "-P", "-m", "perennial", "chaos"]


def _chaos(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    # Throw-away stacks stand in the folder of temporary files: one of our own shows what a run leaves behind.
    temporary = folder / "tmp"
    temporary.mkdir()
    environment = os.environ | {"TMPDIR": str(temporary)} | environment
    done = subprocess.run(
        [*COMMAND, *arguments, "--json", "chaos.json"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert list(temporary.iterdir()) == []
    return done


def _figures(folder: Path) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads((folder / "chaos.json").read_text())
    return figures


@pytest.mark.timeout(600)
def test_twenty_subscriptions_live_through_everything(tmp_path: Path) -> None:
    done = _chaos(tmp_path, "--subscriptions", "20", "--months", "3", "--seed", "1", "--faults", "all")
    assert done.returncode == 0, done.stdout + done.stderr
    figures = _figures(tmp_path)
    assert figures.keys() == KEYS
    assert (figures["subscriptions"], figures["months"], figures["seed"]) == (20, 3, 1)
    assert figures["charges_due"] == figures["charges_captured"] > 60
    assert [figures[name] for name in WRONG] == [0, 0, 0, 0]
    assert figures["ledger_balanced"] is True
    assert figures["gateway_agrees"] is True
    assert figures["findings"] == []
    assert all(check["ok"] for check in figures["checks"])
    injected = figures["faults_injected"]
    assert injected.keys() == set(Kind)
    # Some kinds are not certain to be met: a webhook must be there to be dropped.
    for kind in (*PROCESSES, Kind.GATEWAY_TIMEOUT, *RACES):
        assert injected[kind] > 0
    assert figures["worker_kills"] == injected[Kind.KILL_WORKER]
    for title in ("Faults injected", "What came of it", "Checks", "Nothing was lost, nothing done twice."):
        assert title in done.stdout


@pytest.mark.long
@pytest.mark.timeout(300)
def test_with_the_second_lock_and_the_look_up_off_charges_are_duplicated(tmp_path: Path) -> None:
    """Before it counts, it is shown that it can fail.

    On which charges a storm falls depends on how quick the machine is, so there is none. One bank in this population
    loses the first answer to each charge by itself: with the defect, both charges of that person are taken twice.
    """
    banks = Counter(person.token.partition(":")[0] for group in populate(8, 1, 2) for person in group.people)
    assert banks["pm_card_captures_then_times_out"] == 1
    done = _chaos(
        tmp_path,
        *("--subscriptions", "8", "--months", "1", "--seed", "2", "--faults", "none"),
        **{defects.VARIABLE: "charge_without_locks"},
    )
    assert done.returncode == 1, done.stdout + done.stderr
    figures = _figures(tmp_path)
    assert figures["planted_defect"] == "charge_without_locks"
    assert figures["duplicate_charges"] == 2
    assert figures["charges_captured"] == figures["charges_due"] + 2
    assert figures["gateway_agrees"] is False
    assert "A defect was planted: charge_without_locks" in done.stdout
    assert "It is NOT right." in done.stdout


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_what_is_done_to_the_books_behind_the_engine_is_found() -> None:
    """A life in peace is acquitted; a capture that nobody knows and a workflow that was ended are not."""
    groups = populate(5, 1, 3)
    with House() as house:
        engine = await open_engine(house.settings, lazy=False)
        portal = Portal(engine, Counter(), loses_answers=False)
        director = Director(engine, portal, groups, frozenset(), Counter(), lambda: None)
        await director.prepare()
        await director.play()
        await director.finish()

        async def verdict() -> Verdict:
            return await reach_verdict(engine, groups, director.diary, seed=3, months=1, injected={})

        peace = await verdict()
        assert peace.ok, peace.findings
        assert peace.charges_captured == peace.charges_due > 5

        await engine.temporal.get_workflow_handle("sub_0000").terminate("a defect")
        ended = await verdict()
        assert not ended.ok
        assert ended.stuck_subscriptions == 1
        assert "no workflow runs for it" in " ".join(finding.problem for finding in ended.findings)

        _capture_again(engine)
        strange = await verdict()
        assert strange.duplicate_charges == 1
        assert strange.charges_captured == strange.charges_due + 1
        assert strange.gateway_agrees is False
        await portal.close()
        engine.close()


def _capture_again(engine: Engine) -> None:
    """The gateway takes the same thing once more, under a key that we know nothing of."""
    with engine.db.begin() as connection:
        connection.execute(
            text(
                """
                INSERT INTO simulator.payments (key, fingerprint, gateway_ref, token, customer_reference, description,
                                                amount, currency, status)
                SELECT key || '/again', fingerprint, gateway_ref || '_again', token, customer_reference, description,
                       amount, currency, status
                FROM simulator.payments WHERE status = 'succeeded' ORDER BY id LIMIT 1
                """
            )
        )
        connection.execute(
            text(
                """
                INSERT INTO simulator.entries (movement, account, amount, currency, charge_key, gateway_ref)
                SELECT 'capture', side.account, side.sign * p.amount, p.currency, p.key, p.gateway_ref
                FROM simulator.payments p
                CROSS JOIN (VALUES ('merchant', 1), ('cardholders', -1)) AS side (account, sign)
                WHERE p.key LIKE '%/again'
                """
            )
        )


@pytest.mark.long
@pytest.mark.timeout(120)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    run = subprocess.Popen(
        [*COMMAND, "--subscriptions", "5", "--months", "1"],
        cwd=tmp_path,
        env=os.environ | {"TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.monotonic() + 90
    while not list(temporary.glob("*/workers.ready")) and time.monotonic() < deadline:
        assert run.poll() is None
        time.sleep(0.1)
    run.send_signal(number)
    told, _ = run.communicate(timeout=60)
    assert run.returncode == 1
    assert "nothing was judged" in told
    assert list(temporary.iterdir()) == []
    assert _mentions(str(temporary)) == []


def _mentions(folder: str) -> list[str]:
    """Processes that stand in the folder, or were started with it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_text() + str((process / "cwd").readlink())
        except OSError:
            continue
        found += [words] if folder in words else []
    return found


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--subscriptions", "0"), "--subscriptions"),
        (("--months", "many"), "--months"),
        (("--seed", "-1"), "--seed"),
        (("--json", "no/such/folder/chaos.json"), "--json"),
        (("--faults", "kill_worker,earthquake"), "unknown: earthquake; kinds of fault are all, none, kill_worker"),
    ],
)
def test_unusable_arguments_are_one_line_and_end_with_2(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, str], words: str
) -> None:
    assert run(["chaos", *arguments]) == 2
    told = capsys.readouterr()
    assert (told.out, told.err.count("\n")) == ("", 1)
    assert words in told.err
