"""What goes to others by setting: errors to Sentry, findings to Slack, traces to a collector. Stand-ins on loopback."""

import gzip
import json
import logging
import threading
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import sentry_sdk
import structlog
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from temporalio.exceptions import ApplicationError

from perennial.checks.result import CheckResult, Finding
from perennial.checks.telling import announce
from perennial.config import Settings, SettingsError, load_settings
from perennial.observability.sentry import configure_sentry
from perennial.observability.slack import tell
from tests.observability.conftest import Process, Recorder
from tests.support.log_lines import Lines

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
CANARY = "zebulon canary"


def settings(**given: object) -> Settings:
    return Settings(_env_file=None, **given)  # type: ignore[arg-type]


# --- Sentry ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def sentry(recorder: Recorder) -> Iterator[Recorder]:
    end = configure_sentry(settings(sentry_dsn=f"{recorder.url.replace('http://', 'http://public@')}/1"), "worker")
    yield recorder
    end()
    sentry_sdk.init()
    structlog.contextvars.clear_contextvars()


def events(recorder: Recorder) -> list[dict[str, Any]]:
    """The events among the envelopes, after everything has been sent."""
    sentry_sdk.flush()
    found = []
    for body in recorder.bodies:
        lines = _unpacked(body).split(b"\n")
        found += [json.loads(line) for line in lines if b'"event_id"' in line and b'"level"' in line]
    return found


def _unpacked(body: bytes) -> bytes:
    return gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body


def _fail(customer: str) -> None:
    card = {"name": customer, "number": "4242424242424242"}
    raise ValueError(f"{card['name']} cannot be billed")


def test_an_error_is_sent_with_its_place_and_ids_and_without_its_words(sentry: Recorder) -> None:
    structlog.contextvars.bind_contextvars(request_id="req_1", subscription_id="sub_1", email=CANARY)
    try:
        _fail(CANARY)
    except ValueError:
        logging.getLogger("api.access").exception("request_failed for %s", CANARY, extra={"customer": CANARY})
    [event] = events(sentry)
    [error] = event["exception"]["values"]
    assert error["type"] == "ValueError"
    assert [frame["function"] for frame in error["stacktrace"]["frames"]][-1] == "_fail"
    assert event["tags"] == {"request_id": "req_1", "subscription_id": "sub_1"}
    assert (event["environment"], event["release"]) == ("development", "0.1.0")
    for body in sentry.bodies:
        text = _unpacked(body).decode(errors="replace")
        assert "canary" not in text
        assert "4242" not in text
        assert "card[" not in text, "no line of the source"


def test_an_error_without_an_exception_is_sent_by_its_name(sentry: Recorder) -> None:
    logging.getLogger("checks").error("check_found_wrong")
    logging.getLogger("somebody").error("cannot serve %s", CANARY)
    assert [event["message"] for event in events(sentry)] == ["check_found_wrong", "an error of somebody"]


def test_what_stops_a_run_is_sent_and_what_an_activity_waits_for_is_not(sentry: Recorder, lines: Lines) -> None:
    """As the SDK says it; that it does say it so: `test_processes.py`."""
    workflows, activities = (
        logging.getLogger(f"temporalio.{name}") for name in ("worker._workflow_instance", "activity")
    )
    run = {"temporal_workflow": {"workflow_id": "sub_7", "run_id": "run_7", "workflow_type": "Subscription"}}

    def failed(logger: logging.Logger, kind: str, error: Exception) -> None:
        logger.warning(CANARY, exc_info=error, extra=run | {"__temporal_error_identifier": kind})

    failed(workflows, "WorkflowTaskFailure", RuntimeError(CANARY))
    failed(activities, "ActivityFailure", KeyError(CANARY))
    failed(activities, "ActivityFailure", ApplicationError(CANARY, type="IntegrityError"))
    failed(activities, "ActivityFailure", ApplicationError(CANARY, type="OperationalError"))
    failed(activities, "ActivityFailure", ApplicationError(CANARY, type="gateway_unavailable"))
    failed(workflows, "something else", RuntimeError(CANARY))
    sent = events(sentry)
    assert [event["exception"]["values"][-1]["type"] for event in sent] == [
        "RuntimeError",
        "KeyError",
        "ApplicationError",
    ]
    assert {tuple(event["tags"].items()) for event in sent} == {
        (("subscription_id", "sub_7"), ("workflow_id", "sub_7"), ("run_id", "run_7"))
    }
    assert [line["level"] for line in lines()] == ["error"] * 3 + ["warning"] * 3
    assert "canary" not in json.dumps(sent)


def test_a_thread_that_dies_is_told(sentry: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    thread = threading.Thread(target=_fail, args=(CANARY,))
    thread.start()
    thread.join()
    [event] = events(sentry)
    assert event["exception"]["values"][-1]["type"] == "ValueError"


# --- Slack -----------------------------------------------------------------------------------------------------------

WRONG = CheckResult("spans_tile", ok=False, detail="3 lives: 12 wrong",
                    findings=tuple(Finding(f"sub_{n}", "a gap <of> a day") for n in range(12)))  # fmt: skip
FINE = CheckResult("books_balance", ok=True, detail="9 transactions: fine")


def test_findings_go_to_slack(recorder: Recorder) -> None:
    announce(settings(slack_webhook_url=f"{recorder.url}/services/T/B/hush"), [FINE, WRONG])
    [body] = recorder.bodies
    lines = json.loads(body)["text"].splitlines()
    assert recorder.paths == ["/services/T/B/hush"]
    assert lines[0] == "perennial check: 1 of 2 do not hold"
    assert lines[1] == "• spans_tile: sub_0: a gap &lt;of&gt; a day"
    assert lines[-1] == "• and 2 more"
    announce(settings(slack_webhook_url=recorder.url), [FINE])
    assert len(recorder.bodies) == 1, "good news is no news"


def test_slack_away_stops_nothing_and_its_address_stays_secret(
    recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    recorder.status = 500
    url = f"{recorder.url}/services/hush"
    assert tell(settings(slack_webhook_url=url), "x") is False
    recorder.close()
    assert tell(settings(slack_webhook_url=url), "x") is False
    assert tell(settings(), "x") is False
    assert "hush" not in caplog.text
    assert "hush" not in repr(settings(slack_webhook_url=url))


@pytest.mark.parametrize("name", ["SENTRY_DSN", "SLACK_WEBHOOK_URL", "OTLP_ENDPOINT", "CODEC_ORIGIN"])
def test_a_wrong_address_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"PERENNIAL_{name}", "hooks.example/secret")
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert str(refused.value) == f"PERENNIAL_{name}: must begin with http:// or https://"


# --- OpenTelemetry ---------------------------------------------------------------------------------------------------


def spans(recorder: Recorder) -> dict[str, list[Any]]:
    """By their names; the service they come from is put before."""
    found: dict[str, list[Any]] = {}
    for path, body in zip(recorder.paths, recorder.bodies, strict=True):
        assert path == "/v1/traces"
        for resource in ExportTraceServiceRequest.FromString(_inflated(body)).resource_spans:
            about = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
            for scope in resource.scope_spans:
                for span in scope.spans:
                    found.setdefault(f"{about['service.name']}: {span.name}", []).append(span)
    return found


def _inflated(body: bytes) -> bytes:
    return zlib.decompress(body, zlib.MAX_WBITS | 32) if body[:2] in (b"\x1f\x8b", b"\x78\x9c") else body


async def test_one_trace_leads_from_the_request_to_the_statement_in_the_worker(
    process: Any, recorder: Recorder, database_url: str, engine: Any
) -> None:
    import httpx

    from perennial.stack.ports import free_port
    from tests.support.stage import Stage, eventually

    quick = {"otlp_endpoint": recorder.url, "task_queue": "traced"}
    port = free_port()
    api: Process = process("api", "--port", str(port), **quick)
    worker: Process = process("worker", **quick)
    customer = await Stage(engine).customer()
    key = {"Authorization": "Bearer pk_dev_perennial"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, headers=key) as http:

        async def alive() -> bool:
            return (await http.get("/healthz")).is_success

        await eventually(alive)
        body = {"customer_id": customer, "plan": "basic-monthly", "currency": "USD"}
        made = await http.post(f"/v1/subscriptions?note={CANARY}", json=body, timeout=30)
    assert made.status_code == 201, made.text
    for each in (api, worker):  # the rest of a batch is sent at the end
        each.stop()
    told = spans(recorder)
    [request] = told["perennial-api: POST /v1/subscriptions"]
    [bill] = told["perennial-worker: RunActivity:bill"]
    assert bill.trace_id == request.trace_id
    inserts = [span for span in told["perennial-worker: db INSERT"] if span.trace_id == request.trace_id]
    assert inserts
    attributes = {pair.key: pair.value.string_value or pair.value.int_value for pair in request.attributes}
    assert attributes == {"http.route": "/v1/subscriptions", "http.response.status_code": 201}
    everything = b"".join(_inflated(body) for body in recorder.bodies)
    assert [word for word in (b"canary", b"ada@example.com") if word in everything] == []
