"""Defects are planted on purpose alone: never in production, never by a name that is not there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from perennial.chaos import defects
from perennial.config import Environment, Settings, SettingsError

ROOT = Path(__file__).parents[2]


def test_production_refuses_defects() -> None:
    settings = Settings(_env_file=None).model_copy(update={"environment": Environment.PRODUCTION})
    with pytest.raises(SettingsError, match="never for production"):
        defects.plant("charge_without_locks", settings)


def test_a_defect_that_there_is_not_is_refused() -> None:
    with pytest.raises(SettingsError, match="there are charge_without_locks"):
        defects.plant("anything", Settings(_env_file=None))


def test_the_nursery_of_chaos_alone_reads_the_variable() -> None:
    """Neither the worker of every day nor any setting knows it."""
    sources = [*ROOT.glob("perennial/**/*.py"), *ROOT.glob("workflows/*.py"), *ROOT.glob("activities/*.py")]
    sources += [ROOT / "worker.py", *ROOT.glob("api/**/*.py")]
    readers = {str(path.relative_to(ROOT)) for path in sources if "defects" in path.read_text().split("import")[-1]}
    named = {str(path.relative_to(ROOT)) for path in sources if defects.VARIABLE in path.read_text()}
    assert named == {"perennial/chaos/defects.py"}
    assert {name for name in readers if "chaos" not in name} == set()


def test_workers_with_a_defect_do_not_start_in_production(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PERENNIAL_")} | {
        defects.VARIABLE: "charge_without_locks",
        "PERENNIAL_ENVIRONMENT": "production",
        "PERENNIAL_DATABASE_URL": "postgresql://nowhere/none",
        "PERENNIAL_TEMPORAL_ADDRESS": "127.0.0.1:1",
        "PERENNIAL_API_KEYS": "pk_live_a",
        "PERENNIAL_WEBHOOK_SECRET": "a secret of production",
        "PERENNIAL_LINK_SECRET": "another secret of production",
        "PERENNIAL_DASHBOARD_SECRET": "a third secret of production",
    }
    command = [sys.executable, "-P", "-m", "perennial.chaos.workers"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "never for production" in done.stderr
