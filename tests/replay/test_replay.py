"""The gate before a release: today's code must take the same steps as the code that wrote these histories."""

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from temporalio import workflow
from temporalio.activity import _Definition as ActivityDefinition
from temporalio.client import WorkflowHistory
from temporalio.worker import (
    Interceptor,
    Replayer,
    StartActivityInput,
    UnsandboxedWorkflowRunner,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
    WorkflowRunner,
)
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner
from temporalio.workflow import ActivityHandle, NondeterminismError
from temporalio.workflow import _Definition as Definition

import workflows.subscription
from activities.registry import build_activities
from perennial.config import Settings
from perennial.contracts.activities import Record
from perennial.domain.catalog import PlanTerms
from perennial.domain.gift import GiftDueKind
from perennial.domain.one_off import OneOffDueKind
from perennial.domain.subscription.due import DueKind
from perennial.domain.subscription.effects import Decision
from perennial.gateways.enabled import Gateways
from perennial.temporal.converter import data_converter
from tests.replay import histories
from worker import SANDBOX
from workflows import signboard
from workflows.registry import WORKFLOWS

RUNNERS: dict[str, WorkflowRunner] = {
    "sandboxed": SandboxedWorkflowRunner(restrictions=SANDBOX),
    "unsandboxed": UnsandboxedWorkflowRunner(),
}


def replayer(runner: WorkflowRunner, *interceptors: Interceptor) -> Replayer:
    return Replayer(
        workflows=WORKFLOWS,
        workflow_runner=runner,
        data_converter=data_converter(Settings(_env_file=None)),
        interceptors=interceptors,
    )


async def failures(runner: WorkflowRunner = RUNNERS["unsandboxed"], *interceptors: Interceptor) -> dict[str, Exception]:
    """What goes wrong, by the name of the history."""
    found: dict[str, Exception] = {}

    async def stored() -> Any:
        for history in histories.read_all():
            yield history

    async with replayer(runner, *interceptors).workflow_replay_iterator(stored()) as results:
        async for result in results:
            if result.replay_failure:
                found[result.history.workflow_id] = result.replay_failure
    return found


@pytest.mark.parametrize("runner", RUNNERS)
async def test_every_recorded_life_is_told_again_by_the_code_of_today(runner: str) -> None:
    assert await failures(RUNNERS[runner]) == {}


# --- what the server does not compare --------------------------------------------------------------------------------


@dataclass
class Listener(Interceptor):
    """Hears what activities are asked for in a replay: their summaries name documents and amounts."""

    heard: dict[str, list[str]] = field(default_factory=dict)

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:
        heard = self.heard

        class Outbound(WorkflowOutboundInterceptor):
            def start_activity(self, input: StartActivityInput) -> ActivityHandle[Any]:
                heard.setdefault(workflow.info().run_id, []).append(f"{input.activity}: {input.summary}")
                return super().start_activity(input)

        class Inbound(WorkflowInboundInterceptor):
            def init(self, outbound: WorkflowOutboundInterceptor) -> None:
                super().init(Outbound(outbound))

        return Inbound


def written(history: WorkflowHistory) -> list[str]:
    """The same, as it stands in the history."""
    lines = []
    for event in history.events:
        if event.HasField("activity_task_scheduled_event_attributes"):
            name = event.activity_task_scheduled_event_attributes.activity_type.name
            lines.append(f"{name}: {json.loads(event.user_metadata.summary.data)}")
    return lines


async def test_the_same_documents_over_the_same_amounts_are_asked_for() -> None:
    listener = Listener()
    assert await failures(RUNNERS["unsandboxed"], listener) == {}
    for history in histories.read_all():
        heard = listener.heard.get(history.run_id, [])
        assert heard
        assert heard == written(history), history.workflow_id


# --- the gate can fail -----------------------------------------------------------------------------------------------


def _writes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    original = workflows.subscription.SubscriptionWorkflow._carry_out

    async def carry_out(self: Any, decision: Decision) -> None:
        if decision.effects:
            await workflows.subscription.write(Record(decision.state), self._as_of())
        await original(self, decision)

    monkeypatch.setattr(workflows.subscription.SubscriptionWorkflow, "_carry_out", carry_out)


def _forgets_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    async def write(record: Record, as_of: object) -> None:
        return

    monkeypatch.setattr(workflows.subscription, "write", write)


def _shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signboard.Signboard, "show", lambda self, state: None)


def _shorter_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workflows.subscription, "EVENTS_PER_RUN", 100)


def _never_due(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workflows.subscription.core, "next_due", lambda state: None)


@pytest.mark.parametrize("change", [_writes_first, _forgets_to_write, _shows_nothing, _shorter_runs, _never_due])
async def test_another_order_of_steps_is_noticed(
    change: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    change(monkeypatch)
    found = await failures()
    assert found
    assert any(isinstance(failure, NondeterminismError) for failure in found.values()), found


async def test_another_amount_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server would let it pass: it compares the kinds of steps, not what is in them."""
    monkeypatch.setattr(PlanTerms, "_price", lambda self, model, quantity: 1)
    listener = Listener()
    name = f"{histories.RELEASE}/yearly"
    assert name not in await failures(RUNNERS["unsandboxed"], listener)
    [yearly] = [history for history in histories.read_all() if history.workflow_id == name]
    assert listener.heard[yearly.run_id] != written(yearly)


def test_every_release_that_has_recorded_is_replayed_and_this_one_has() -> None:
    releases = {path.name for path in histories.FOLDER.iterdir()}
    assert {name.partition("/")[0] for name in histories.names()} == releases
    assert histories.RELEASE in releases


# --- the histories tell enough ---------------------------------------------------------------------------------------


def _told(key: str) -> set[str]:
    return {name for file in histories.names() for name in re.findall(key, histories.text_of(file))}


def _timers() -> set[str]:
    kinds = set()
    for file in histories.names():
        for event in json.loads(histories.text_of(file))["events"]:
            if "timerStartedEventAttributes" in event:
                summary = json.loads(base64.b64decode(event["userMetadata"]["summary"]["data"]))
                kinds.add(summary.partition(" ")[0])
    return kinds


@pytest.mark.parametrize("definer", WORKFLOWS)
def test_every_command_is_in_a_history_as_an_update_and_as_a_signal(definer: type) -> None:
    definition = Definition.must_from_class(definer)
    updates, signals = set(), set()
    for file in histories.names():
        events = json.loads(histories.text_of(file))["events"]
        if events[0]["workflowExecutionStartedEventAttributes"]["workflowType"]["name"] != definition.name:
            continue
        for event in events:
            if accepted := event.get("workflowExecutionUpdateAcceptedEventAttributes"):
                updates.add(accepted["acceptedRequest"]["input"]["name"])
            if signaled := event.get("workflowExecutionSignaledEventAttributes"):
                signals.add(signaled["signalName"])
    assert set(definition.updates) - updates == set(), "record a life: see lives.py"
    assert set(definition.signals) - signals == set(), "record a life: see lives.py"


def test_every_activity_is_in_a_history() -> None:
    parts: Any = SimpleNamespace(sessions=None, gateways=Gateways(), taxes=None)
    known = {ActivityDefinition.must_from_callable(activity).name for activity in build_activities(parts, WORKFLOWS)}
    assert known - _told(r'"activityType":\{"name":"([a-z_.]+)"\}') == set()


def test_every_kind_of_due_thing_is_in_a_history() -> None:
    known = {kind.value for kind in (*DueKind, *GiftDueKind, *OneOffDueKind)}
    # What a dispute asks for is due when it is learned: nobody sleeps until then.
    assert known - _timers() == {DueKind.DISPUTE}


@pytest.mark.parametrize(
    "event",
    ["CONTINUED_AS_NEW", "TERMINATED", "CANCEL_REQUESTED", "COMPLETED", "UPDATE_COMPLETED"],
)
def test_every_way_on_is_in_a_history(event: str) -> None:
    assert f"EVENT_TYPE_WORKFLOW_EXECUTION_{event}" in _told(r'"eventType":"(\w+)"')


def test_no_machine_is_named_in_a_history() -> None:
    for file in histories.names():
        text = histories.text_of(file)
        assert "identity" not in text
        assert not re.search(r"\d+@\w", text), file
        for data in re.findall(r'"data":"([^"]+)"', text):
            assert b"/" + b"work" not in base64.b64decode(data), file
    for release in histories.FOLDER.iterdir():
        assert sum(path.stat().st_size for path in release.iterdir()) < 1_000_000, release
