"""The queries of docs/operations.md, tried on the real server: each finds what it is for and leaves out the rest."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from perennial.contracts.workflows import SUBSCRIPTION
from perennial.engine.context import Engine
from perennial.temporal import search_attributes
from tests.observability.conftest import at_rest
from tests.support.stage import Stage, eventually

PAGE = Path(__file__).parents[2] / "docs/operations.md"
QUERIES = re.findall(r"```sql\n(.+?)\n```", PAGE.read_text())
NOW = datetime(2026, 3, 10, 10, tzinfo=UTC)
"""Where the clocks of these stories stand: an operator's now."""


def query(words: str, **values: str) -> str:
    """The one with these words, its gaps filled."""
    [found] = [each for each in QUERIES if words in each]
    gaps = {
        "seven days ago": NOW - timedelta(days=7),
        "ten minutes ago": NOW - timedelta(minutes=10),
        "in an hour": NOW + timedelta(hours=1),
        "now": NOW,
    }
    for gap, at in gaps.items():
        found = found.replace(f"{{{gap}}}", f"{at:%Y-%m-%dT%H:%M:%SZ}")
    for gap, value in values.items():
        found = found.replace(f"{{{gap}}}", value)
    assert "{" not in found
    return found


class Scene:
    """Subscriptions by what they are, and their customers."""

    def __init__(self, engine: Engine) -> None:
        self.stage = Stage(engine)
        self.subs: dict[str, str] = {}

    async def play(self) -> None:
        stage, now = self.stage, f"{NOW:%Y-%m-%d %H:%M}"
        clock = await stage.clock("2026-02-01 10:00")
        self.subs["owes a week"] = await at_rest(stage, clock, card="pm_card_declines_charges_2_to_9")
        await stage.advance(clock, now)
        clock = await stage.clock("2026-02-08 10:00")
        self.subs["owes two days"] = await at_rest(stage, clock, card="pm_card_declines_charges_2_to_9")
        await stage.advance(clock, now)
        clock = await stage.clock("2026-02-10 10:30")
        self.subs["renews soon"] = await at_rest(stage, clock)
        await stage.advance(clock, now)
        clock = await stage.clock("2026-02-10 09:30")
        self.subs["was due"] = await at_rest(stage, clock)
        clock = await stage.clock(now)
        self.subs["team"] = await at_rest(stage, clock, plan="team-monthly")
        self.subs["paused"] = await at_rest(stage, clock)
        await stage.send(self.subs["paused"], "pause")
        self.subs["parked"] = await at_rest(stage, clock)
        await stage.send(self.subs["parked"], "park")
        self.subs["terminated"] = await at_rest(stage, clock)
        await stage.handle(self.subs["terminated"]).terminate()

    async def found(self, words: str, **values: str) -> set[str]:
        client = self.stage.engine.temporal
        names = {sub: name for name, sub in self.subs.items()}
        return {names[run.id] async for run in client.list_workflows(query(words, **values)) if run.id in names}

    async def finds(self, words: str, *names: str, **values: str) -> None:
        """Visibility is a little late."""

        async def agreed() -> bool:
            return await self.found(words, **values) == set(names)

        await eventually(agreed, seconds=15)


@pytest.fixture(scope="module")
async def scene(engine: Engine) -> Scene:
    scene = Scene(engine)
    await scene.play()
    return scene


async def test_past_due_for_more_than_a_week(scene: Scene) -> None:
    await scene.finds("PastDueSince <", "owes a week")


async def test_renewing_in_the_next_hour(scene: Scene) -> None:
    await scene.finds("NextDueAt BETWEEN", "renews soon")


async def test_due_and_not_acted_upon(scene: Scene) -> None:
    await scene.finds("NextDueAt < ", "was due")


async def test_by_plan_by_customer_and_paused(scene: Scene) -> None:
    await scene.finds("PlanCode", "team")
    await scene.finds("CustomerId", "paused", customer=scene.stage.owners[scene.subs["paused"]])
    await scene.finds("NextDueAt IS NULL", "paused")


async def test_what_support_has_put_aside(scene: Scene) -> None:
    await scene.finds("Parked", "parked")


async def test_the_last_chance_and_what_was_terminated(scene: Scene) -> None:
    await scene.finds("DunningAttempt >= 3", "owes a week")
    await scene.finds("Terminated", "terminated")


async def test_runs_that_the_code_cannot_go_on_with(scene: Scene) -> None:
    client, settings = scene.stage.engine.temporal, scene.stage.engine.settings
    bad = await client.start_workflow(SUBSCRIPTION, "no state", id="bad-run", task_queue=settings.task_queue)
    scene.subs["bad"] = bad.id
    try:
        await scene.finds("TemporalReportedProblems", "bad")
    finally:
        del scene.subs["bad"]
        await bad.terminate()


def test_the_page_names_every_attribute_with_its_type() -> None:
    told = dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", PAGE.read_text(), re.MULTILINE))
    assert told == search_attributes.TYPES


def test_no_query_of_the_page_is_untried() -> None:
    here = Path(__file__).read_text()
    tried = re.findall(r'\.finds\(\s*"([^"]+)"', here)
    assert [each for each in QUERIES if not any(words in each for words in tried)] == []
