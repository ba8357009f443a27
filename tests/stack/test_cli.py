"""The root of the command line: quick help, one-line errors, exit codes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from perennial.cli.main import COMMANDS, run
from perennial.stack import Stack

# What a `--help` has no business to import.
HEAVY = ("sqlalchemy", "temporalio", "fastapi", "alembic", "stripe")


def _perennial(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PERENNIAL_")}
    environment = clean | {f"PERENNIAL_{name}": value for name, value in settings.items()}
    command = [sys.executable, "-P", "-m", "perennial", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_help_lists_every_command_and_imports_none(tmp_path: Path) -> None:
    done = _perennial(tmp_path, "--help")
    assert done.returncode == 0
    assert [name for name in (command.name for command in COMMANDS) if name not in done.stdout] == []
    code = "import sys; from perennial.cli.main import run; run(['--help']); print(*sys.modules, file=sys.stderr)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr.split()
    assert [name for name in HEAVY if name in told] == []


@pytest.mark.parametrize("name", [command.name for command in COMMANDS])
def test_every_command_says_how_it_is_used(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert run([name, "--help"]) == 0
    assert f"Usage: perennial {name}" in capsys.readouterr().out


def test_unusable_arguments_end_with_2(tmp_path: Path) -> None:
    for arguments in (["nonsense"], ["migrate", "--nonsense"], ["dev", "--port", "99999"]):
        done = _perennial(tmp_path, *arguments)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr


def test_a_wrong_setting_is_one_line_and_ends_with_2(tmp_path: Path) -> None:
    done = _perennial(tmp_path, "migrate", DATABASE_URL="oracle://db")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "PERENNIAL_DATABASE_URL: must begin with postgresql:// (PostgreSQL is the only database)\n"


def test_a_missing_setting_is_one_line_and_ends_with_2(tmp_path: Path) -> None:
    for command in ("migrate", "worker", "relay"):
        done = _perennial(tmp_path, command)
        assert done.returncode == 2
        assert done.stderr.startswith("PERENNIAL_DATABASE_URL: is not set, and no `perennial dev` is running")
        assert done.stderr.count("\n") == 1


def test_a_database_that_is_away_is_one_line_and_ends_with_1(tmp_path: Path) -> None:
    done = _perennial(tmp_path, "migrate", DATABASE_URL=f"postgresql://postgres@/perennial?host={tmp_path}")
    assert done.returncode == 1
    assert done.stderr.startswith("the database does not answer (PERENNIAL_DATABASE_URL): ")
    assert done.stderr.count("\n") == 1


def test_a_temporal_that_is_away_is_one_line_and_ends_with_1(tmp_path: Path, database_url: str) -> None:
    done = _perennial(tmp_path, "worker", DATABASE_URL=database_url, TEMPORAL_ADDRESS="127.0.0.1:9")
    assert done.returncode == 1
    assert done.stderr == "Temporal does not answer at 127.0.0.1:9 (PERENNIAL_TEMPORAL_ADDRESS)\n"


def test_dev_is_not_for_production(tmp_path: Path, stack: Stack) -> None:
    named = {
        "ENVIRONMENT": "production",
        "DATABASE_URL": stack.database_url,
        "TEMPORAL_ADDRESS": stack.temporal_address,
        "API_KEYS": "key",
        "WEBHOOK_SECRET": "whsec_of_production",
        "LINK_SECRET": "links-of-production",
        "DASHBOARD_SECRET": "dashboard-of-production",
    }
    done = _perennial(tmp_path, "dev", **named)
    assert (done.returncode, done.stderr) == (2, "PERENNIAL_ENVIRONMENT: `perennial dev` is not for production\n")


def test_migrate_can_run_twice(tmp_path: Path) -> None:
    with Stack.throw_away() as own:
        first, second = (_perennial(tmp_path, "migrate", DATABASE_URL=own.database_url) for _ in range(2))
    assert first.returncode == second.returncode == 0, first.stderr
    assert first.stdout.startswith("The database is at revision ")


def test_migrations_are_in_step_with_the_models(tmp_path: Path) -> None:
    done = _perennial(tmp_path, "migrate", "--check")
    assert done.returncode == 0, done.stderr
