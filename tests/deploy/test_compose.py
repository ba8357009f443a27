"""docker-compose.yml cannot run where there is no Docker: what can be read off it is checked here."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from perennial.cli.main import COMMANDS
from perennial.config import PREFIX, Settings
from perennial.stack.temporal import DYNAMIC_CONFIG, RETENTION_SECONDS
from perennial.temporal import search_attributes

DONE = "service_completed_successfully"
HEALTHY = "service_healthy"
STARTED = "service_started"
SECRETS = (
    "POSTGRES_PASSWORD",
    "REPLICATION_PASSWORD",
    "PERENNIAL_API_KEYS",
    "PERENNIAL_WEBHOOK_SECRET",
    "PERENNIAL_LINK_SECRET",
    "PERENNIAL_DASHBOARD_SECRET",
    "PERENNIAL_PAYLOAD_KEYS",
    "PERENNIAL_CODEC_TOKEN",
    "OPERATORS",
    "GRAFANA_PASSWORD",
)


@pytest.fixture(scope="module")
def services(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((root / "docker-compose.yml").read_text())["services"]
    return found


def test_images_are_pinned(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert re.fullmatch(r"perennial:local|[a-z/-]+:v?\d+(\.\d+)+(-alpine)?", service["image"]), name


def test_the_start_has_its_order(services: dict[str, Any], root: Path) -> None:
    after = {
        name: {what: how["condition"] for what, how in dict(service.get("depends_on", {})).items()}
        for name, service in services.items()
    }
    api = {"migrations": DONE}
    assert after == {
        "postgres": {},
        "postgres-replica": {"postgres": HEALTHY},
        "temporal-schema": {"postgres": HEALTHY},
        "temporal": {"temporal-schema": DONE},
        "temporal-bootstrap": {"temporal": HEALTHY},
        "temporal-ui": {"temporal": HEALTHY},
        "codec": {},
        "migrations": {"postgres": HEALTHY, "temporal-bootstrap": DONE},
        "api-1": api,
        "api-2": api,
        "worker": api,
        "relay": api,
        "backup": api,
        "nginx": {"api-1": HEALTHY, "api-2": HEALTHY, "codec": HEALTHY, "temporal-ui": STARTED},
        "prometheus": {},
        "alertmanager": {},
        "grafana": {},
        "mail": {},
    }
    waited_for = {what for waits in after.values() for what, how in waits.items() if how == HEALTHY}
    of_the_image = {"api-1", "api-2"}
    assert "HEALTHCHECK" in (root / "Dockerfile").read_text()
    assert all("healthcheck" in services[name] for name in waited_for - of_the_image)


def test_mounted_files_exist(services: dict[str, Any], root: Path) -> None:
    volumes = yaml.safe_load((root / "docker-compose.yml").read_text())["volumes"]
    mounted = [volume for service in services.values() for volume in service.get("volumes", [])]
    assert len(mounted) > 10
    for volume in mounted:
        source = re.sub(r"\$\{\w+:-(.*?)\}", r"\1", volume).partition(":")[0]
        assert source in volumes or (root / source).exists(), source


def test_ports_are_bound_to_the_loopback_interface(services: dict[str, Any]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_commands_are_ours(services: dict[str, Any]) -> None:
    ours = [service for service in services.values() if service["image"] == "perennial:local"]
    commands = {service["command"][0] for service in ours}
    assert commands == {"migrate", "api", "worker", "relay", "codec-server", "backup"}
    assert commands <= {command.name for command in COMMANDS}


def test_nothing_is_there_once_that_may_not_fail(services: dict[str, Any]) -> None:
    assert {"api-1", "api-2", "postgres-replica"} <= services.keys()
    assert services["worker"]["deploy"]["replicas"] == 2
    assert services["api-1"]["networks"]["default"]["aliases"] == ["api"]


def test_temporals_own_pause_is_hidden_and_payloads_are_read_under_the_uis_origin(services: dict[str, Any]) -> None:
    environment = services["temporal-ui"]["environment"]
    assert environment["TEMPORAL_WORKFLOW_PAUSE_DISABLED"] == "true"
    assert environment["TEMPORAL_CODEC_ENDPOINT"] == environment["TEMPORAL_CORS_ORIGINS"] + "/codec"


def test_whatever_can_be_set_can_be_set_here(services: dict[str, Any], root: Path) -> None:
    """By `.env`, or it is of no use to a container."""
    of_no_use = {"api_port", "data_dir", "sandboxed_workflows", "stripe_api_base", "task_queue", "temporal_namespace"}
    passed = {name.removeprefix(PREFIX).lower() for name in services["worker"]["environment"]}
    of_the_codec = {"codec_token", "codec_origin"}
    assert passed | of_no_use | of_the_codec == set(Settings.model_fields)
    example = (root / ".env.example").read_text()
    handed_on = [name for name, value in services["worker"]["environment"].items() if value is None]
    assert len(handed_on) > 10
    for name in handed_on:
        assert f"\n# {name}=" in example, "an example with a value, even an empty one, would be a setting"
    interpolated = re.findall(r"\$\{(\w+)", (root / "docker-compose.yml").read_text())
    assert [name for name in interpolated if f"{name}=" not in example] == []


def test_the_primary_is_asked_where_its_first_start_does_not_answer(services: dict[str, Any]) -> None:
    """The image fills a new folder with a server that listens on the socket alone; jobs must not begin by then."""
    assert "--host 127.0.0.1" in services["postgres"]["healthcheck"]["test"][-1]


def test_backups_need_no_root(services: dict[str, Any], root: Path) -> None:
    assert "user" not in services["backup"]
    assert "--owner=perennial --group=perennial /backups" in (root / "Dockerfile").read_text()
    mounted = {volume.split(":")[1] for volume in services["backup"]["volumes"] + services["relay"]["volumes"]}
    assert mounted == {services["backup"]["environment"]["PERENNIAL_BACKUP_DIR"]} == {"/backups"}


def test_secrets_have_no_default(root: Path) -> None:
    text = (root / "docker-compose.yml").read_text()
    for name in SECRETS:
        uses = re.findall(rf"\$\{{{name}[^}}]*\}}", text)
        assert uses, name
        assert all(":?" in use for use in uses)


def test_every_variable_is_in_the_example(root: Path) -> None:
    """Those with a default may be missing there."""
    required = set(re.findall(r"\$\{(\w+):\?", (root / "docker-compose.yml").read_text()))
    assert required == set(SECRETS)
    assert required <= set(re.findall(r"^(\w+)=", (root / ".env.example").read_text(), re.MULTILINE))


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is not installed")
def test_docker_compose_takes_it(root: Path, tmp_path: Path) -> None:
    """Debian's docker-compose (1.29) knows everything of it but the project's name."""
    text = (root / "docker-compose.yml").read_text()
    assert "\nname: perennial\n" in text
    (tmp_path / "docker-compose.yml").write_text(text.replace("\nname: perennial\n", "\n"))
    environment = {"PATH": os.environ["PATH"]} | dict.fromkeys(SECRETS, "x")
    program = shutil.which("docker-compose") or ""
    for missing in (None, "POSTGRES_PASSWORD"):
        given = {name: value for name, value in environment.items() if name != missing}
        done = subprocess.run([program, "config"], cwd=tmp_path, env=given, capture_output=True, text=True, check=False)
        assert (done.returncode == 0) == (missing is None), done.stderr
        assert missing is None or "POSTGRES_PASSWORD" in done.stderr


def test_the_sandbox_configures_temporal_as_the_embedded_stack_does(root: Path) -> None:
    configured = yaml.safe_load((root / "deploy/compose/dynamicconfig/sandbox.yaml").read_text())
    assert {name: values[0]["value"] for name, values in configured.items()} == {
        name: json.loads(value) for name, value in DYNAMIC_CONFIG.items()
    }


def test_production_moves_no_clock(root: Path) -> None:
    configured = yaml.safe_load((root / "deploy/compose/dynamicconfig/production.yaml").read_text())
    assert "frontend.WorkflowTimeSkippingEnabled" not in configured


def test_the_bootstrap_job_knows_the_search_attributes_and_the_retention(root: Path) -> None:
    script = (root / "deploy/compose/temporal-bootstrap.sh").read_text()
    (listed,) = re.findall(r"for attribute in (.*); do", script)
    assert dict(pair.split("=") for pair in listed.split()) == search_attributes.TYPES
    assert f"--retention {RETENTION_SECONDS // 86_400}d" in script
