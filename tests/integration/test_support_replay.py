"""Today's code against recorded histories: nothing differs, until a change of behaviour is planted."""

from collections.abc import Callable
from typing import Any

import pytest

from perennial.checks.replay import Replayed, replay_many, replay_one
from perennial.domain import subscription as core
from perennial.domain.catalog import PlanTerms
from perennial.domain.errors import CommandRefused, NotFound
from perennial.domain.subscription.effects import Decision
from perennial.engine.context import Engine
from tests.integration.conftest import Cli
from tests.integration.world import World
from workflows import signboard
from workflows.registry import WORKFLOWS


def _differing(runs: list[Replayed]) -> dict[str, Replayed]:
    return {run.id: run for run in runs if run.difference}


async def test_a_whole_population_is_decided_the_same_today(copy: Engine, healthy: World) -> None:
    runs = await replay_many(copy, WORKFLOWS)
    assert {name for name, made in healthy.named.items() if made not in {run.id for run in runs}} == {"one_off_draft"}
    assert _differing(runs) == {}


async def test_another_amount_names_the_subscription_and_the_step(
    copy: Engine, healthy: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Temporal's own replay would let it pass."""
    price = PlanTerms._price
    monkeypatch.setattr(PlanTerms, "_price", lambda self, *given: price(self, *given) + 1)
    [run] = [run for run in await replay_one(copy, WORKFLOWS, healthy.named["month_end"]) if run.difference]
    assert run.difference is not None
    assert run.difference.event is not None
    assert run.difference.at is not None
    assert run.difference.recorded.startswith("bill (bill ")
    assert run.difference.recorded.endswith("amount = 900")
    assert run.difference.wanted.endswith("amount = 901")
    assert healthy.named["one_off_sent"] not in _differing(await replay_many(copy, WORKFLOWS))


async def test_other_steps_are_named_too(copy: Engine, healthy: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "next_due", lambda _state: None)
    [run] = [run for run in await replay_one(copy, WORKFLOWS, healthy.named["yearly"]) if run.difference]
    assert run.difference is not None
    assert run.difference.recorded.startswith("timer started (renewal ")
    assert run.difference.wanted.startswith("[TMPRL1100] Nondeterminism error: ")
    assert "Failure {" not in run.difference.wanted


async def test_code_that_raises_is_told_by_what_it_raises(
    copy: Engine, healthy: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And nowhere else: a replay that somebody asked for is no alert."""

    def raising(_state: core.State, _due: core.Due) -> Decision:
        message = "a defect"
        raise ZeroDivisionError(message)

    monkeypatch.setattr(core, "act", raising)
    [run] = [run for run in await replay_one(copy, WORKFLOWS, healthy.named["month_end"]) if run.difference]
    assert run.difference is not None
    assert run.difference.recorded.startswith("bill (bill ")
    assert run.difference.wanted == "it raises ZeroDivisionError: a defect"
    assert not caplog.records


async def test_only_what_a_query_finds_and_only_what_is_changed(
    copy: Engine, healthy: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signboard.Signboard, "show", lambda _self, _state: None)
    runs = await replay_many(copy, WORKFLOWS, "WorkflowType = 'Gift'")
    assert runs
    assert all(run.id.startswith("gift_") for run in runs)
    assert healthy.named["seats"] in _differing(await replay_one(copy, WORKFLOWS, healthy.named["seats"]))


async def test_what_nobody_knows_is_refused(copy: Engine, healthy: World) -> None:
    with pytest.raises(NotFound):
        await replay_one(copy, WORKFLOWS, "sub_none")
    with pytest.raises(CommandRefused, match="no history"):
        await replay_one(copy, WORKFLOWS, healthy.named["one_off_draft"])


def test_the_command(cli: Cli, subscribed: Callable[..., Any]) -> None:
    assert cli("support", "replay").code == 2
    unknown = cli("support", "replay", "sub_none")
    assert (unknown.code, "sub_none" in unknown.err) == (2, True)
    made = cli("support", "replay", subscribed()["id"], "--json")
    assert (made.code, made.json) == (0, {"runs": 1, "different": []})
    assert cli("support", "replay", "--query", "WorkflowId = 'sub_none'").out == "0 runs replayed, 0 differ.\n"
    unclear = cli("support", "replay", "--query", "Nonsense = 1")
    assert (unclear.code, unclear.err.startswith("invalid_input: Temporal does not understand it: ")) == (2, True)
