"""Alert rules, dashboards and runbooks: they parse, they fire, and they speak of things that there are."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from perennial.observability.gauges import _GAUGES
from perennial.observability.metrics import REGISTRY
from perennial.observability.server import Parts
from tests.observability.deployed import OF_THE_SDK, ROOT, RULES, promtool

TESTS = sorted((ROOT / "deploy/prometheus/tests").glob("*.yml"))
DASHBOARDS = sorted((ROOT / "deploy/grafana/dashboards").glob("*.json"))
RUNBOOKS = ROOT / "docs/runbooks"
_OTHERS = {"up", "process_resident_memory_bytes", "process_cpu_seconds_total"}
_NAME = re.compile(r"\b(?:perennial|temporal|process)_\w+\b|\bup\b")


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return [panel for path in DASHBOARDS for panel in json.loads(path.read_text())["panels"] if panel["type"] != "row"]


def expressions() -> list[str]:
    return [rule["expr"] for rule in rules()] + [each["expr"] for panel in panels() for each in panel["targets"]]


def fired() -> set[str]:
    """The alerts that a test of promtool sees firing, by their own expectation or among the samples of `ALERTS`."""
    names: set[str] = set()
    for test in (test for path in TESTS for test in yaml.safe_load(path.read_text())["tests"]):
        names |= {one["alertname"] for one in test.get("alert_rule_test", ()) if one.get("exp_alerts")}
        for one in (one for one in test.get("promql_expr_test", ()) if one.get("exp_samples")):
            labels = " ".join(sample["labels"] for sample in one["exp_samples"])
            asked = re.findall(r'alertname=~?"([\w|]+)"', one["expr"])[0].split("|")
            names |= {name for name in asked if len(asked) == 1 or name in labels}
    return names


def told() -> dict[str, set[str]]:
    """Our series with their labels. `_bucket`, `_sum` and `_count` are taken off histograms' by who asks."""
    ours = {gauge.name: set(gauge.labels) for gauge in _GAUGES}
    ours |= {"perennial_database_up": set(), "perennial_backup_timestamp_seconds": set()}
    ours |= {family.name: set(family._labelnames) for family in Parts(list).collect()}
    for collector in REGISTRY._collector_to_names:
        labels = set(getattr(collector, "_labelnames", ()))
        for family in collector.collect():
            ours[f"{family.name}_total" if family.type == "counter" else family.name] = labels
    return ours


def series_of(expression: str) -> set[str]:
    """The names of the series in it, as `told` has them."""
    names = _NAME.findall(_without_labels(expression))
    known = told().keys() | OF_THE_SDK.keys() | _OTHERS
    return {name if name in known else re.sub(r"_(bucket|sum|count)$", "", name) for name in names}


def test_the_rules_are_valid() -> None:
    done = promtool("check", "rules", str(RULES))
    assert done.returncode == 0, done.stdout + done.stderr
    done = promtool("check", "config", str(ROOT / "deploy/prometheus/prometheus.yml"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_fires_when_it_should_and_not_before() -> None:
    done = promtool("test", "rules", *map(str, TESTS))
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_alert_that_does_not_fire_is_noticed(tmp_path: Path) -> None:
    changed = RULES.read_text().replace("perennial_overdue_seconds) > 900", "perennial_overdue_seconds) > 90000")
    assert changed != RULES.read_text()
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/perennial.yml").write_text(changed)
    (tmp_path / "tests").mkdir()
    suite = yaml.safe_load(TESTS[-1].read_text())
    suite["tests"] = suite["tests"][:1]
    (tmp_path / "tests/one.yml").write_text(yaml.safe_dump(suite))
    done = promtool("test", "rules", str(tmp_path / "tests/one.yml"))
    assert done.returncode != 0
    assert "RenewalsLate" in done.stdout + done.stderr


def test_every_alert_is_tested_and_has_its_runbook() -> None:
    assert {rule["alert"] for rule in rules()} == fired()
    pages = {rule["annotations"]["runbook"] for rule in rules()}
    written = {f"docs/runbooks/{path.name}" for path in RUNBOOKS.glob("*.md")}
    assert pages <= written
    index = (RUNBOOKS / "README.md").read_text()
    for rule in rules():
        page = ROOT / rule["annotations"]["runbook"]
        text = page.read_text()
        assert re.findall(r"^#+ (.*)$", text, re.MULTILINE) == [rule["alert"], "Meaning", "First look", "Remedy"], page
        assert f"Severity: {rule['labels']['severity']}." in text
        assert f"[{rule['alert']}]({page.name}) | {rule['labels']['severity']} |" in index


@pytest.mark.parametrize("path", sorted(RUNBOOKS.glob("*.md")), ids=lambda path: path.stem)
def test_runbooks_lead_somewhere(path: Path) -> None:
    from perennial.cli.main import COMMANDS

    text = path.read_text()
    for link in re.findall(r"\]\(([^)#]+)", text):
        assert (path.parent / link).exists(), link
    known = {command.name for command in COMMANDS} | {"backup", "restore"}
    assert set(re.findall(r"`perennial ([a-z-]+)", text)) <= known


def test_dashboards_and_rules_ask_for_what_is_told() -> None:
    asked = {name for each in expressions() for name in series_of(each)}
    assert asked - told().keys() - OF_THE_SDK.keys() - _OTHERS == set()
    assert asked >= OF_THE_SDK.keys()


def test_they_ask_by_labels_that_there_are() -> None:
    """A label that no series bears selects nothing, and is summed by in silence."""
    labels = told() | OF_THE_SDK
    looked_at = set()
    for each in expressions():
        known = {"le", "job", "instance"}.union(*(labels.get(name, set()) for name in series_of(each)))
        by = {label.strip() for group in re.findall(r"\bby\s*\(([^)]*)\)", each) for label in group.split(",")}
        chosen = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", each)) - {"alertstate"}
        assert by | chosen <= known, each
        looked_at |= by | chosen
    assert looked_at > {"gateway", "decline_class", "task_queue", "cause"}


def _without_labels(expression: str) -> str:
    return re.sub(r"\{[^}]*\}", "", expression)


def test_every_panel_can_be_evaluated(tmp_path: Path) -> None:
    """Promtool parses each expression as a recording rule."""
    recorded = [{"record": f"panel:number:{n}", "expr": each} for n, each in enumerate(expressions())]
    path = tmp_path / "panels.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": recorded}]}))
    done = promtool("check", "rules", str(path))
    assert done.returncode == 0, done.stdout + done.stderr


def test_dashboards_are_laid_out_and_provisioned() -> None:
    for path in DASHBOARDS:
        board = json.loads(path.read_text())
        ids = [panel["id"] for panel in board["panels"]]
        assert len(ids) == len(set(ids))
        taken: set[tuple[int, int]] = set()
        for panel in board["panels"]:
            place = panel["gridPos"]
            cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                     for y in range(place["y"], place["y"] + place["h"])}  # fmt: skip
            assert not cells & taken, panel["title"]
            assert place["x"] + place["w"] <= 24
            taken |= cells
    provisioned = ROOT / "deploy/grafana/provisioning"
    [source] = yaml.safe_load((provisioned / "datasources/perennial.yml").read_text())["datasources"]
    used = {panel["datasource"]["uid"] for panel in panels()}
    assert used == {source["uid"]}
    assert yaml.safe_load((provisioned / "dashboards/perennial.yml").read_text())["providers"]


def test_the_way_of_alerts_is_valid() -> None:
    path = ROOT / "deploy/alertmanager/alertmanager.yml"
    config = yaml.safe_load(path.read_text())
    names = {receiver["name"] for receiver in config["receivers"]}
    routes = [config["route"], *config["route"]["routes"]]
    assert {route["receiver"] for route in routes} == names
    alerts = {rule["alert"] for rule in rules()}
    named = {name for rule in config["inhibit_rules"] for side in rule.values() for text in side
             for name in re.findall(r"[A-Z]\w+", text)}  # fmt: skip
    assert named <= alerts
    assert "api_url:" not in path.read_text(), "the webhook's address is a secret"
    if amtool := shutil.which("amtool"):
        done = subprocess.run([amtool, "check-config", path], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
