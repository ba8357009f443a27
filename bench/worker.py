"""`python -m bench.worker ours|bare`: one worker process with production's settings, for one kind of workflow."""

import asyncio
import signal
import sys

import worker
from bench.bare import BareRenewal, nothing
from perennial.config import Settings, load_settings
from perennial.engine.context import open_engine


async def run_bare(settings: Settings) -> None:
    """As `worker.run`, with the bare workflow in place of ours."""
    engine = await open_engine(settings, lazy=False)
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with worker.build_worker(engine, [BareRenewal], [nothing]):
        await stop.wait()
    engine.close()


if __name__ == "__main__":
    asyncio.run(run_bare(load_settings()) if sys.argv[1] == "bare" else worker.run(load_settings()))
