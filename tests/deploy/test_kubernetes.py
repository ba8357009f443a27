"""The manifests: right by Kubernetes' own schemas, and by what the rest of the project says."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from perennial.cli.main import COMMANDS
from perennial.config import PREFIX, Settings
from tests.observability.deployed import promtool

kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")
VERSIONS = ("1.30", "1.34")
JOBS = {"Job", "CronJob"}


@pytest.fixture(scope="module")
def objects(root: Path) -> list[dict[str, Any]]:
    listed = yaml.safe_load((root / "deploy/kubernetes/kustomization.yaml").read_text())["resources"]
    texts = [(root / "deploy/kubernetes" / name).read_text() for name in listed]
    return [document for text in texts for document in yaml.safe_load_all(text)]


def of_kind(objects: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one["spec"] for one in objects if one["kind"] == kind}


def pods(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    jobs = {name: spec["jobTemplate"]["spec"] for name, spec in of_kind(objects, "CronJob").items()}
    jobs |= of_kind(objects, "Job")
    return {name: spec["template"]["spec"] for name, spec in (of_kind(objects, "Deployment") | jobs).items()}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid(version: str, objects: list[dict[str, Any]]) -> None:
    assert len(objects) > 15
    for one in objects:
        kubernetes_validate.validate(one, version, strict=True)


def test_the_schemas_can_say_no(objects: list[dict[str, Any]]) -> None:
    [worker] = [one for one in objects if (one["kind"], one["metadata"]["name"]) == ("Deployment", "worker")]
    wrong = worker | {"spec": worker["spec"] | {"replica": 2}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


def test_every_file_is_listed(root: Path) -> None:
    listed = yaml.safe_load((root / "deploy/kubernetes/kustomization.yaml").read_text())["resources"]
    others = {"kustomization.yaml", "prometheus-adapter.yaml"}
    assert {path.name for path in (root / "deploy/kubernetes").iterdir()} == {*listed, *others}


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_kubectl_puts_them_together(root: Path, objects: list[dict[str, Any]]) -> None:
    program = shutil.which("kubectl") or ""
    done = subprocess.run(
        [program, "kustomize", str(root / "deploy/kubernetes")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    made = list(yaml.safe_load_all(done.stdout))
    assert len(made) == len(objects)
    for pod in pods(made).values():
        assert all(":" in container["image"] for container in pod["containers"])


def test_nobody_is_root_and_nobody_takes_more_than_is_asked_for(objects: list[dict[str, Any]]) -> None:
    assert pods(objects).keys() == {"migrations", "api", "worker", "relay", "codec", "backup"}
    for name, pod in pods(objects).items():
        assert pod["securityContext"]["runAsNonRoot"], name
        assert pod["automountServiceAccountToken"] is False, name
        for container in pod["containers"]:
            assert container["securityContext"]["allowPrivilegeEscalation"] is False, name
            assert container["resources"]["limits"]["memory"], name
            assert container["args"][0] in {command.name for command in COMMANDS}, name


def test_what_must_not_be_alone_is_not_alone(objects: list[dict[str, Any]]) -> None:
    scaled = of_kind(objects, "HorizontalPodAutoscaler")
    for name, spec in of_kind(objects, "Deployment").items():
        least = scaled[name]["minReplicas"] if name in scaled else spec["replicas"]
        assert least >= 2 or name == "codec"
        assert name == "codec" or name in of_kind(objects, "PodDisruptionBudget")
        container = spec["template"]["spec"]["containers"][0]
        assert {"startupProbe", "livenessProbe"} <= container.keys(), name


def test_settings_are_settings_and_no_secret_is_written_down(objects: list[dict[str, Any]]) -> None:
    [config] = [one["data"] for one in objects if one["kind"] == "ConfigMap"]
    assert {name.removeprefix(PREFIX).lower() for name in config} <= set(Settings.model_fields)
    assert not any(word in name for name in config for word in ("SECRET", "KEY", "TOKEN", "PASSWORD", "URL_DATABASE"))
    assert not [one for one in objects if one["kind"] == "Secret"]
    for name, pod in pods(objects).items():
        assert {"secretRef": {"name": "perennial"}} in pod["containers"][0]["envFrom"], name


def test_workers_grow_with_what_waits_for_them(objects: list[dict[str, Any]], root: Path) -> None:
    [metric] = of_kind(objects, "HorizontalPodAutoscaler")["worker"]["metrics"]
    [rule] = yaml.safe_load((root / "deploy/kubernetes/prometheus-adapter.yaml").read_text())["rules"]["external"]
    assert metric["external"]["metric"]["name"] == rule["name"]["as"]
    alerts = (root / "deploy/prometheus/rules/perennial.yml").read_text()
    assert rule["seriesQuery"] in alerts


def test_what_the_autoscaler_is_told_is_a_number_at_any_time(
    objects: list[dict[str, Any]], root: Path, tmp_path: Path
) -> None:
    """The adapter fills the selector in; Prometheus' own program evaluates what it would ask, busy and idle."""
    [rule] = yaml.safe_load((root / "deploy/kubernetes/prometheus-adapter.yaml").read_text())["rules"]["external"]
    assert rule["resources"] == {"namespaced": False}, "else the namespace of Temporal would have to be the pod's"
    [metric] = of_kind(objects, "HorizontalPodAutoscaler")["worker"]["metrics"]
    [(label, value)] = metric["external"]["metric"]["selector"]["matchLabels"].items()
    matchers = f'{label}="{value}"'
    asked = rule["metricsQuery"].replace("<<.Series>>", rule["seriesQuery"]).replace("<<.LabelMatchers>>", matchers)
    waited = f'{rule["seriesQuery"]}{{task_queue="perennial",namespace="default",instance="%s",le="%s"}}'
    test = {
        "interval": "15s",
        "input_series": [
            {"series": waited % (instance, le), "values": values}
            for instance in ("worker-1", "worker-2")
            for le, values in (("1", "0+1x40 40x40"), ("10", "0+10x40 400x40"), ("+Inf", "0+10x40 400x40"))
        ],
        "promql_expr_test": [
            {"expr": asked, "eval_time": "5m", "exp_samples": [{"value": 9.5}]},
            {"expr": asked, "eval_time": "15m", "exp_samples": [{"value": 0}]},
        ],
    }
    path = tmp_path / "scaling.yml"
    path.write_text(yaml.safe_dump({"rule_files": [], "evaluation_interval": "15s", "tests": [test]}))
    done = promtool("test", "rules", str(path))
    assert done.returncode == 0, done.stdout + done.stderr
