"""Records the lives of `lives.py` on a throw-away stack: `make histories`.

A recorded history is what runs in the field look like, so one that exists is left alone: it must go on replaying, or
the runs that sleep today would break when they wake up. Each release records its own, into a folder of its version;
the folders before it stay and go on being replayed. `--again` records those of the release at hand anew and is for
changes that no running engine has seen yet; names of lives record only these.
"""

import asyncio
import sys
import time

from temporalio.client import WorkflowHandle, WorkflowHistory

from perennial.cli.migrations import upgrade
from perennial.engine import demo_catalog
from perennial.engine.context import Engine, open_engine
from perennial.gateways.registry import prepare_gateway
from perennial.stack import Stack
from tests.replay import histories
from tests.replay.lives import LIVES
from tests.replay.scene import Life
from tests.support.stage import Stage
from worker import build_worker


async def runs(handle: WorkflowHandle[object, object]) -> list[WorkflowHistory]:
    """Every run from the first one of the chain that `handle` is in, each continued as the next."""
    described = (await handle.describe()).raw_description.workflow_execution_info
    client, run, found = handle._client, described.first_run_id, []
    while run:
        history = await client.get_workflow_handle(handle.id, run_id=run).fetch_history()
        found.append(history)
        run = history.events[-1].workflow_execution_continued_as_new_event_attributes.new_execution_run_id
    return found


def file_name(life: Life) -> str:
    return life.__name__.replace("_", "-")


async def record(engine: Engine, life: Life) -> None:
    begun = time.monotonic()
    for suffix, handle in (await life(Stage(engine))).items():
        for number, history in enumerate(await runs(handle), start=1):
            file = "-".join(part for part in (file_name(life), suffix, str(number) if number > 1 else "") if part)
            size = histories.write(file, history)
            events, seconds = len(history.events), time.monotonic() - begun
            print(f"{file:32} {events:4} events {size / 1024:6.1f} KiB {seconds:5.1f} s", flush=True)  # noqa: T201


def chosen(arguments: list[str]) -> list[Life]:
    if "--again" in arguments:
        return list(LIVES)
    known, done = {life.__name__: life for life in LIVES}, histories.recorded_now()
    if unknown := [name for name in arguments if name not in known]:
        raise SystemExit(f"no such life: {', '.join(unknown)}; there are: {', '.join(known)}")
    if arguments:
        return [known[name] for name in arguments]
    return [life for life in LIVES if file_name(life) not in done]


async def main(stack: Stack, lives: list[Life]) -> None:
    engine = await open_engine(stack.settings(), lazy=False)
    prepare_gateway(engine.gateway)
    await demo_catalog.seed(engine)
    async with build_worker(engine):
        for life in lives:
            await record(engine, life)
    engine.close()


if __name__ == "__main__":
    if wanted := chosen(sys.argv[1:]):
        with Stack.throw_away() as running:
            upgrade(running.database_url)
            asyncio.run(main(running, wanted))
