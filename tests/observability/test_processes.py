"""Real processes: their metrics, their health, and an alert that fires on what they tell."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from perennial.cli.dev import Development
from perennial.cli.dev_output import Output
from perennial.config import SettingsError
from perennial.contracts.workflows import SUBSCRIPTION
from perennial.engine.context import Engine, from_thread, open_engine
from perennial.engine.parts import look
from perennial.gateways.registry import build_gateway
from perennial.observability import serving
from perennial.stack import ChildProcess
from perennial.stack.ports import free_port
from tests.observability.conftest import Beside, Process, Silent, at_rest, handed_over
from tests.observability.deployed import OF_THE_SDK, RULES, program
from tests.support.log_lines import Lines
from tests.support.stage import Stage, eventually


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
        yield client


async def address(process: Process) -> str:
    """Where a process tells its metrics."""

    async def served() -> list[dict[str, Any]]:
        return process.told("metrics_served")

    [line] = await eventually(served)
    return f"http://{line['host']}:{line['port']}"


async def test_worker_and_relay_tell_metrics_and_health(
    engine: Engine, process: Callable[..., Process], http: httpx.AsyncClient
) -> None:
    worker = process("worker", metrics_port="0", task_queue="measured")
    relay = process("relay", metrics_port="0")
    lost = process("relay", metrics_port="0", database_url="postgresql://postgres@127.0.0.1:1/none")
    for each, parts in ((worker, ["postgresql", "migrations", "temporal"]), (relay, ["postgresql"])):
        where = await address(each)
        assert (await http.get(f"{where}/healthz")).json() == {"status": "ok"}
        ready = await http.get(f"{where}/readyz")
        assert (ready.status_code, ready.json()["status"]) == (200, "ready")
        assert [part["name"] for part in ready.json()["checks"]] == parts
        assert (await http.get(f"{where}/else")).status_code == 404
    told = (await http.get(f"{await address(worker)}/metrics")).text
    assert "temporal_worker_start_total{" in told
    assert "# TYPE perennial_renewals_total counter" in told
    told = (await http.get(f"{await address(relay)}/metrics")).text
    assert "perennial_database_up 1.0" in told
    assert "perennial_overdue_seconds" in told
    assert "temporal_" not in told, "a relay has no business with Temporal"

    where = await address(lost)
    assert (await http.get(f"{where}/healthz")).status_code == 200
    ready = await http.get(f"{where}/readyz")
    assert ready.status_code == 503
    assert ready.json()["checks"] == [{"name": "postgresql", "ok": False, "detail": "PostgreSQL is away"}]
    assert "perennial_database_up 0.0" in (await http.get(f"{where}/metrics")).text


async def test_the_sdk_tells_every_series_that_rules_and_panels_ask_for(
    engine: Engine, beside: Beside, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, lines: Lines
) -> None:
    """A run whose task fails, an activity that fails, a call that fails, and everything that goes well.

    And what the log says of it: the SDK's core too speaks through our loggers.
    """
    monkeypatch.setattr("perennial.engine.subscriptions.OUTCOME_TIMEOUT_SECONDS", 0.1)
    queue = "every-series"
    silent = Silent(build_gateway("simulator", engine.settings, engine.db))
    async with beside(task_queue=queue) as before:
        known = await at_rest(Stage(before), await Stage(before).clock("2026-01-31 10:00"))
    async with beside(task_queue=queue, metrics_port=0, gateway=silent) as measured:
        stage = await handed_over(measured, known)
        await stage.send(known, "cancel")  # the new worker has to replay it first
        sub = await stage.subscribe(await stage.clock("2026-01-31 10:00"))
        bad = await measured.temporal.start_workflow(SUBSCRIPTION, "no state", id=f"bad-{sub}", task_queue=queue)
        with pytest.raises(Exception, match="not found"):
            await measured.temporal.get_workflow_handle("nobody").describe()
        with serving(measured.settings, list) as port:

            async def text() -> str:
                return (await http.get(f"http://127.0.0.1:{port}/metrics")).text

            async def complete() -> bool:
                told = await text()
                for name, labels in OF_THE_SDK.items():
                    series = re.search(rf"^{name}(?:_bucket)?\{{(.*)\}} ", told, re.MULTILINE)
                    assert series, name
                    assert set(re.findall(r'(\w+)="', series[1])) >= labels, series[0]
                return True

            await eventually(complete)
            told = await text()
            assert 'failure_reason="WorkflowError"' in told
            assert f'workflow_type="{SUBSCRIPTION}"' in told

            async def logged() -> bool:
                levels = {(line["logger"], line["level"], line.get("workflow_id")) for line in lines()}
                wanted = {
                    ("temporalio.worker._workflow_instance", "error", bad.id),  # its code cannot go on
                    ("temporalio.activity", "warning", sub),  # the gateway is away, which is nobody's defect
                    ("temporalio.core", "warning", None),
                }
                assert levels >= wanted, levels
                return True

            await eventually(logged)
            [core, *_] = [line for line in lines() if line["logger"] == "temporalio.core"]
            assert (core["event"], core["run_id"]) == ("Failing workflow task", bad.result_run_id)
            assert "failure" not in core
        await bad.terminate()
        await stage.handle(sub).terminate()


async def test_readiness_says_which_part_does_not_answer(engine: Engine, http: httpx.AsyncClient) -> None:
    settings = engine.settings.model_copy(update={"metrics_port": 0, "temporal_address": "127.0.0.1:1"})
    half = await open_engine(settings)
    loop = asyncio.get_running_loop()
    with serving(settings, lambda: from_thread(loop, look(half))) as port:
        ready = await http.get(f"http://127.0.0.1:{port}/readyz")
        assert ready.status_code == 503
        assert {part["name"]: part["ok"] for part in ready.json()["checks"]} == {
            "postgresql": True, "migrations": True, "temporal": False,
        }  # fmt: skip
        told = (await http.get(f"http://127.0.0.1:{port}/metrics")).text
        assert re.findall(r'^perennial_part_up\{part="(\w+)"\} (\S+)$', told, re.MULTILINE) == [
            ("postgresql", "1.0"), ("migrations", "1.0"), ("temporal", "0.0"),
        ]  # fmt: skip
        assert (await http.get(f"http://127.0.0.1:{port}/healthz")).status_code == 200
        taken = settings.model_copy(update={"metrics_port": port})
        with pytest.raises(SettingsError, match="PERENNIAL_METRICS_PORT: cannot listen"), serving(taken, list):
            pass
    half.close()


def test_the_processes_of_dev_share_no_port(engine: Engine) -> None:
    def ports(first: int | None) -> list[str | None]:
        dev = Development(engine.settings.model_copy(update={"metrics_port": first}), Output())
        return [dev._metrics(place).get("PERENNIAL_METRICS_PORT") for place in range(3)]

    assert ports(9464) == ["9464", "9465", "9466"]
    assert ports(None) == [None, None, None]


async def test_an_alert_fires_on_what_a_real_relay_tells(
    engine: Engine, process: Callable[..., Process], http: httpx.AsyncClient, tmp_path: Path
) -> None:
    prometheus, port = program("prometheus"), free_port()
    relay = process("relay", metrics_port="0")
    stage = Stage(engine)
    sub = await at_rest(stage, None)
    await stage.execute("UPDATE subscriptions SET next_due_at = now() - interval '2 hours' WHERE id = :id", id=sub)
    (tmp_path / "rules.yml").write_text("".join(
        line for line in RULES.read_text().splitlines(keepends=True) if not line.strip().startswith("for:")
    ))  # fmt: skip
    target = (await address(relay)).removeprefix("http://")
    (tmp_path / "prometheus.yml").write_text(
        "global: {scrape_interval: 500ms, evaluation_interval: 500ms}\nrule_files: [rules.yml]\n"
        f"scrape_configs: [{{job_name: perennial-relay, static_configs: [{{targets: ['{target}']}}]}}]\n"
    )
    command = [prometheus, f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data"]
    watcher = ChildProcess("Prometheus", [*command, f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"])
    watcher.start()
    try:

        async def fire() -> dict[str, str]:
            answer = await http.get(f"http://127.0.0.1:{port}/api/v1/alerts")
            alerts = answer.json()["data"]["alerts"]
            found = {each["labels"]["alertname"]: each["annotations"]["summary"] for each in alerts
                     if each["state"] == "firing"}  # fmt: skip
            expected = {"RenewalsLate", "SubscriptionsStuck", "WorkerAbsent"} <= found.keys()
            # Without their patience, alerts about who is absent fire before the first scrape.
            return found if expected and "RelayAbsent" not in found else {}

        firing = await eventually(fire)
        assert firing["RenewalsLate"].startswith("Renewals wait for 2h")
        assert "DatabaseAway" not in firing
    finally:
        watcher.kill()
        await stage.execute("UPDATE subscriptions SET next_due_at = now() + interval '1 year' WHERE id = :id", id=sub)
