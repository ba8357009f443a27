"""docker-compose.yml cannot run on a developer's machine without Docker: what can be read off it is checked here."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from perennial.cli.main import COMMANDS
from perennial.stack.temporal import DYNAMIC_CONFIG, RETENTION_SECONDS, SEARCH_ATTRIBUTES

DONE = "service_completed_successfully"
HEALTHY = "service_healthy"


@pytest.fixture(scope="module")
def services(root: Path) -> dict[str, Any]:
    return yaml.safe_load((root / "docker-compose.yml").read_text())["services"]


def test_images_are_pinned(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert re.fullmatch(r"perennial:local|[a-z/-]+:v?\d+(\.\d+)+(-alpine)?", service["image"]), name


def test_the_start_has_its_order(services: dict[str, Any]) -> None:
    after = {
        name: {what: how["condition"] for what, how in service.get("depends_on", {}).items()}
        for name, service in services.items()
    }
    assert after == {
        "postgres": {},
        "temporal-schema": {"postgres": HEALTHY},
        "temporal": {"temporal-schema": DONE},
        "temporal-bootstrap": {"temporal": HEALTHY},
        "temporal-ui": {"temporal": HEALTHY},
        "migrations": {"postgres": HEALTHY, "temporal-bootstrap": DONE},
        "api": {"migrations": DONE},
        "worker": {"migrations": DONE},
        "relay": {"migrations": DONE},
    }
    waited_for = {what for waits in after.values() for what, how in waits.items() if how == HEALTHY}
    assert all("healthcheck" in services[name] for name in waited_for)


def test_mounted_files_exist(services: dict[str, Any], root: Path) -> None:
    for service in services.values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert source == "postgres" or (root / source).exists(), source


def test_ports_are_bound_to_the_loopback_interface(services: dict[str, Any]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_commands_are_ours(services: dict[str, Any]) -> None:
    ours = [service for service in services.values() if service["image"] == "perennial:local"]
    assert {service["command"][0] for service in ours} == {"migrate", "api", "worker", "relay"}
    assert {service["command"][0] for service in ours} <= {command.name for command in COMMANDS}


def test_secrets_have_no_default(root: Path) -> None:
    text = (root / "docker-compose.yml").read_text()
    for name in ("POSTGRES_PASSWORD", "PERENNIAL_API_KEYS", "PERENNIAL_WEBHOOK_SECRET", "PERENNIAL_LINK_SECRET"):
        uses = re.findall(rf"\$\{{{name}[^}}]*\}}", text)
        assert uses
        assert all(":?" in use for use in uses)


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
    assert dict(pair.split("=") for pair in listed.split()) == SEARCH_ATTRIBUTES
    assert f"--retention {RETENTION_SECONDS // 86_400}d" in script
