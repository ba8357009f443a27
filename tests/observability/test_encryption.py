"""A life with encrypted payloads: everything works, and Temporal stores nothing that can be read."""

import base64
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from http import HTTPStatus

import pytest
from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.client import WorkflowHandle

from api.errors import problem_of
from perennial.checks.look import look_at
from perennial.checks.replay import replay_one
from perennial.domain.errors import CommandRefused
from perennial.engine import subscriptions
from perennial.engine.context import Engine
from perennial.gateways.registry import build_gateway
from perennial.stack.ports import free_port
from perennial.stack.temporal import _binary
from perennial.support.reset import life
from perennial.temporal.codec import KEY_ID, CannotDecrypt
from tests.observability.conftest import Beside, Process, Silent, at_rest, handed_over, rests
from tests.support.stage import Stage, eventually
from workflows.registry import WORKFLOWS

OLD, NEW = (f"{name}:{base64.b64encode(os.urandom(32)).decode()}" for name in ("old", "new"))
# Of the state, of a summary, of an answer, of an error and of a plan.
PLAIN = (b'"period_no"', b"bill inv_", b'"next_due_at"', b"is not paused", b"Team (per seat)", b"price")


def payloads(message: Message) -> Iterator[Payload]:
    """Every payload within a message, but those that the server has to read."""
    if isinstance(message, Payload):
        yield message
        return
    for field, value in message.ListFields():
        if field.name in ("search_attributes", "header"):
            continue
        if field.type != field.TYPE_MESSAGE:
            continue
        if field.message_type.GetOptions().map_entry:
            values = [each for each in value.values() if isinstance(each, Message)]
        else:
            values = list(value) if field.is_repeated else [value]
        for each in values:
            yield from payloads(each)


async def stored(engine: Engine, workflow_id: str) -> list[Message]:
    """The events as the server has them: nothing is decoded."""
    handle: WorkflowHandle[object, object] = engine.temporal.get_workflow_handle(workflow_id)
    return [event async for event in handle.fetch_history_events()]


async def key_ids(engine: Engine, workflow_id: str) -> list[str]:
    """By which key each payload is encrypted; "" for one that is not."""
    found = [each for event in await stored(engine, workflow_id) for each in payloads(event)]
    return [each.metadata.get(KEY_ID, b"").decode() for each in found]


async def a_small_life(stage: Stage) -> str:
    """Start, renewal, update, refused update, signal, queries."""
    clock = await stage.clock("2026-01-31 10:00")
    sub = await stage.subscribe(clock, "team-monthly")
    assert (await stage.send(sub, "change_quantity", quantity=2)).quantity == 2
    with pytest.raises(CommandRefused, match="not paused"):
        await stage.send(sub, "resume")
    await stage.advance(clock, "2026-03-01 10:00")
    await stage.signal(sub, "cancel", stage.engine.clock())

    async def heard() -> bool:
        return (await stage.view(sub)).cancel_at is not None

    await eventually(heard)
    assert (await stage.state(sub)).quantity == 2
    return sub


async def test_everything_works_and_nothing_can_be_read(engine: Engine, beside: Beside) -> None:
    async with beside(task_queue="encrypted", payload_keys=OLD) as encrypted:
        stage = Stage(encrypted)
        sub = await a_small_life(stage)
        await stage.once_each(sub)
        assert set(await key_ids(encrypted, sub)) == {"old"}
        raw = b"".join(event.SerializeToString() for event in await stored(encrypted, sub))
        assert [words for words in PLAIN if words in raw] == []
        [replayed] = await replay_one(encrypted, WORKFLOWS, sub)
        assert replayed.difference is None
        described = await encrypted.temporal.get_workflow_handle(sub).describe()
        assert (await described.static_summary() or "").startswith("Team (per seat)")
        # Who has no key, or another one, is told so, and not that the code decides otherwise.
        with pytest.raises(CannotDecrypt, match="PAYLOAD_KEYS is not set"):
            await replay_one(engine, WORKFLOWS, sub)
        async with beside(task_queue="blind", payload_keys=NEW) as blind:
            for asked in (replay_one(blind, WORKFLOWS, sub), life(blind, sub)):
                with pytest.raises(CannotDecrypt, match="does not hold the key 'old'") as refused:
                    await asked
                assert problem_of(refused.value).status is HTTPStatus.SERVICE_UNAVAILABLE
    plain = Stage(engine)
    sub = await plain.subscribe(await plain.clock("2026-01-31 10:00"), "team-monthly")
    raw = b"".join(event.SerializeToString() for event in await stored(engine, sub))
    assert b"Team (per seat)" in raw, "the search finds what is there"


async def test_runs_begun_in_the_clear_go_on_and_keys_are_changed_under_way(beside: Beside) -> None:
    queue = {"task_queue": "rotating"}
    async with beside(**queue) as plain:
        stage = Stage(plain)
        clock = await stage.clock("2026-01-31 10:00")
        sub = await at_rest(stage, clock, plan="team-monthly")
        assert set(await key_ids(plain, sub)) == {""}
    seen: list[str] = []
    for keys, quantity in ((OLD, 2), (f"{NEW},{OLD}", 3)):
        async with beside(**queue, payload_keys=keys) as turned:
            stage = await handed_over(turned, sub)
            assert (await stage.send(sub, "change_quantity", quantity=quantity)).quantity == quantity
            await rests(stage, sub)
            seen.append((await key_ids(turned, sub))[-1])
    assert seen == ["old", "new"]
    async with beside(**queue, payload_keys=f"{NEW},{OLD}") as turned:
        stage = await handed_over(turned, sub)
        await stage.advance(clock, "2026-03-01 10:00")
        assert (await stage.state(sub)).quantity == 3
        await stage.once_each(sub)
        assert set(await key_ids(turned, sub)) == {"", "old", "new"}


async def test_support_still_says_why_something_fails(
    engine: Engine, beside: Beside, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = Silent(build_gateway("simulator", engine.settings, engine.db))
    async with beside(task_queue="encrypted-stuck", payload_keys=OLD, gateway=silent) as encrypted:
        stage = Stage(encrypted)
        monkeypatch.setattr(subscriptions, "OUTCOME_TIMEOUT_SECONDS", 0.1)
        sub = await stage.subscribe(await stage.clock("2026-01-31 10:00"))

        async def fails() -> str:
            run = await look_at(encrypted, sub)
            return run.failing[0].cause if run.failing else ""

        assert await eventually(fails) == "GatewayUnavailable: nobody answers at the gateway"
        await encrypted.temporal.get_workflow_handle(sub).terminate()


async def test_the_temporal_command_reads_through_the_codec_server(
    beside: Beside, process: Callable[..., Process], temporal_address: str
) -> None:
    token, port = "token-of-the-operators", free_port()
    server = process("codec-server", "--port", str(port), payload_keys=OLD, codec_token=token)
    async with beside(task_queue="encrypted-cli", payload_keys=OLD) as encrypted:
        stage = Stage(encrypted)
        sub = await stage.subscribe(await stage.clock("2026-01-31 10:00"), "team-monthly")

    async def listens() -> bool:
        return bool(server.told("codec_server_starts"))

    await eventually(listens)

    def show(*more: str) -> subprocess.CompletedProcess[str]:
        command = [_binary(), "workflow", "show", "--address", temporal_address, "-w", sub, "-o", "json", *more]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert "team-monthly" not in _decoded(show().stdout)
    remote = ("--codec-endpoint", f"http://127.0.0.1:{port}", "--codec-auth")

    async def reads() -> bool:
        return "team-monthly" in _decoded(show(*remote, f"Bearer {token}").stdout)

    assert await eventually(reads, seconds=10)
    assert show(*remote, "Bearer of nothing", "--command-timeout", "1s").returncode != 0


def _decoded(shown: str) -> str:
    """What the first run was started with, in whichever form the command tells it."""
    started = json.loads(shown)["events"][0]["workflowExecutionStartedEventAttributes"]["input"]
    parts = started["payloads"] if isinstance(started, dict) else started
    return "".join(base64.b64decode(part["data"]).decode(errors="replace") for part in parts)
