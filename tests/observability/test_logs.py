"""Log lines: which request, which run, which attempt; and nobody's name."""

import json
import logging
import traceback
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment
from temporalio.worker import ActivityInboundInterceptor

from perennial.engine.context import Engine
from perennial.gateways.registry import build_gateway
from perennial.observability.words import presentable
from perennial.temporal.interceptors import REQUEST_ID, Correlation
from tests.observability.conftest import Beside, Silent, at_rest
from tests.support.log_lines import Lines
from tests.support.stage import Stage, eventually


def of(lines: Lines, event: str, **fields: object) -> list[dict[str, Any]]:
    return [line for line in lines() if line["event"] == event and fields.items() <= line.items()]


async def test_a_request_is_found_again_in_history_and_in_the_workers_log(engine: Engine, lines: Lines) -> None:
    stage = Stage(engine)
    with structlog.contextvars.bound_contextvars(request_id="req-start"):
        sub = await at_rest(stage, await stage.clock("2026-01-31 10:00"))
    with structlog.contextvars.bound_contextvars(request_id="req-update"):
        await stage.send(sub, "change_quantity", quantity=2)
    with structlog.contextvars.bound_contextvars(request_id="req-signal"):
        await stage.signal(sub, "cancel", engine.clock())
    [update] = of(lines, "update_taken_up", subscription_id=sub)
    assert (update["request_id"], update["command"], update["process"]) == ("req-update", "change_quantity", "tester")
    assert update["workflow_id"] == sub
    assert update["run_id"] == (await stage.handle(sub).describe()).run_id

    async def heard() -> list[dict[str, Any]]:
        return of(lines, "signal_taken_up", subscription_id=sub, request_id="req-signal")

    await eventually(heard)
    started, *_ = (await stage.handle(sub).fetch_history()).events
    sent = started.workflow_execution_started_event_attributes.header.fields[REQUEST_ID]
    assert json.loads(sent.data) == "req-start"


async def test_a_line_within_an_activity_says_the_run_and_the_attempt(
    engine: Engine, beside: Beside, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perennial.engine.subscriptions.OUTCOME_TIMEOUT_SECONDS", 0.1)
    said = structlog.get_logger("gateway")

    class Talking(Silent):
        def charge(self, request: object) -> None:
            said.warning("asked")
            super().charge(request)

    async with beside(
        task_queue="talking", gateway=Talking(build_gateway("simulator", engine.settings, engine.db))
    ) as talking:
        stage = Stage(talking)
        sub = await stage.subscribe(await stage.clock("2026-01-31 10:00"))

        async def twice() -> list[dict[str, Any]]:
            found = of(lines, "asked", workflow_id=sub)
            return found if len(found) > 1 else []

        first, second, *_ = await eventually(twice)
        run = (await stage.handle(sub).describe()).run_id
        assert (first["activity"], first["attempt"], second["attempt"], first["run_id"]) == ("bill", 1, 2, run)
        failed = [line for line in of(lines, "Completing activity as failed") if line.get("workflow_id") == sub]
        assert failed[0]["subscription_id"] == sub
        assert "nobody answers" in failed[0]["exception"]
        await stage.handle(sub).terminate()
    assert "workflow_id" not in structlog.contextvars.get_contextvars()


def _refused_row(engine: Engine, email: str) -> IntegrityError:
    """PostgreSQL's own words about a row that it refuses; they quote the row."""
    statement = text("INSERT INTO customers (id, name, email, created_at) VALUES ('cus_x', NULL, :email, now())")
    with pytest.raises(IntegrityError) as refused, engine.db.begin() as connection:
        connection.execute(statement, {"email": email})
    return refused.value


async def test_a_databases_error_quotes_nobody(engine: Engine, lines: Lines) -> None:
    error = _refused_row(engine, "zebulon.canary@personal.example")
    assert "zebulon.canary" in str(error), "it would, if nobody took care"
    try:
        raise error
    except IntegrityError:
        logging.getLogger("any").exception("refused for %s", "zebulon.canary@personal.example")
        structlog.get_logger("any").warning("refused", error=str(error))
    told = json.dumps(lines())
    assert "violates not-null constraint" in told
    assert "IntegrityError" in told
    assert "zebulon" not in told
    assert "DETAIL" not in told


async def test_a_databases_error_enters_no_history_with_its_row(engine: Engine) -> None:
    class Refused(ActivityInboundInterceptor):
        def __init__(self) -> None:
            """The last of the chain: the activity itself."""

        async def execute_activity(self, input: Any) -> None:
            raise _refused_row(engine, "zebulon.canary@personal.example")

    around = Correlation().intercept_activity(Refused())
    with pytest.raises(ApplicationError) as told:
        await ActivityEnvironment().run(around.execute_activity, SimpleNamespace())
    assert told.value.type == "IntegrityError"
    assert told.value.message.startswith('null value in column "name"')
    assert "zebulon" not in "".join(traceback.format_exception(told.value))


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("sent to ada@example.com today", "sent to [e-mail] today"),
        ("ERROR:  null\nDETAIL:  Failing row contains (cus, Ada).\nCONTEXT:  x\nthere", "ERROR:  null\nthere"),
        ("charge:invoice:sub_1:7:period:1", "charge:invoice:sub_1:7:period:1"),
        ("@ alone", "@ alone"),
    ],
)
def test_words_that_may_leave(words: str, shown: str) -> None:
    assert presentable(words) == shown
