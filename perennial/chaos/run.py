"""One run of chaos from the first process to the verdict."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from perennial.chaos.director import Director
from perennial.chaos.house import THREADS, House
from perennial.chaos.injector import Injector
from perennial.chaos.kinds import Kind
from perennial.chaos.population import Group
from perennial.chaos.portal import Portal
from perennial.chaos.verdict import Verdict, reach_verdict
from perennial.engine.context import open_engine


async def run(
    house: House,
    groups: Sequence[Group],
    *,
    seed: int,
    months: int,
    kinds: frozenset[Kind],
    tick: Callable[[], None],
    defect: str | None = None,
) -> Verdict:
    """The house must be open. Raises StackError when a process of it ends that nobody has killed."""
    # More than by default: a unit of work that waits for a dead server keeps its thread.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS, thread_name_prefix="chaos"))
    engine = await open_engine(house.settings, lazy=False)
    injected: Counter[Kind] = Counter()
    portal = Portal(engine, injected, loses_answers=Kind.LOST_ANSWER in kinds)
    director = Director(engine, portal, groups, kinds, injected, tick)
    injector = Injector(engine, house, seed, kinds, injected)
    try:
        await director.prepare()
        await _play(director, injector)
        await director.finish()
        counts = await injector.count()
        return await reach_verdict(
            engine, groups, director.diary, seed=seed, months=months, injected=counts, defect=defect
        )
    finally:
        await portal.close()
        engine.close()


async def _play(director: Director, injector: Injector) -> None:
    """Until everybody has lived, in a storm that does not end before."""
    weather, lives = asyncio.create_task(injector.run()), asyncio.create_task(director.play())
    try:
        await asyncio.wait({weather, lives}, return_when=asyncio.FIRST_COMPLETED)
        if weather.done():
            await weather  # it has failed: it never ends by itself
        await lives
        await injector.calm()
        await weather
    finally:
        for task in (weather, lives):
            task.cancel()
        await asyncio.gather(weather, lives, return_exceptions=True)
