"""An application behind a real port, on the loop that the worker runs on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI


@asynccontextmanager
async def listening(app: FastAPI, port: int, *, lifespan: bool = True) -> AsyncIterator[None]:
    """It listens on 127.0.0.1. Without `lifespan` somebody else opens and closes what the application needs."""
    config = uvicorn.Config(app, port=port, log_config=None, lifespan="auto" if lifespan else "off", ws="none")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event to wait for
        await asyncio.sleep(0.01)
    yield
    server.should_exit = True
    await task
