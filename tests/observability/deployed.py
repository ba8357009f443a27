"""What `deploy/` holds for Prometheus, and Prometheus' own programs where this machine has them."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy/prometheus/rules/perennial.yml"
# What rules and panels ask of the SDK, and by which labels: each is found in a scrape (test_processes.py).
OF_THE_SDK = {
    "temporal_activity_execution_failed_total": {"activity_type"},
    "temporal_activity_execution_latency_seconds": {"activity_type"},
    "temporal_activity_schedule_to_start_latency_seconds": {"task_queue"},
    "temporal_request_failure_total": {"operation", "status_code"},
    "temporal_sticky_cache_size": set(),
    "temporal_worker_task_slots_available": {"worker_type"},
    "temporal_worker_task_slots_used": {"worker_type"},
    "temporal_workflow_task_execution_failed_total": {"workflow_type", "failure_reason"},
    "temporal_workflow_task_replay_latency_seconds": {"workflow_type"},
    "temporal_workflow_task_schedule_to_start_latency_seconds": {"task_queue"},
}


def program(name: str) -> str:
    """Its path; skips the test where it is not installed."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (Debian: apt-get install prometheus)")
    return found


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program("promtool"), *arguments], capture_output=True, text=True, check=False)
