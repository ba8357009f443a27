"""A stack of our own: `check` compares all workflows of a Temporal with all rows of a database."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, make_url, text

from perennial.cli.main import run
from perennial.cli.migrations import upgrade
from perennial.engine.context import Engine, open_engine
from perennial.gateways.registry import prepare_gateway
from perennial.notifications.mailbox import LocalMailbox
from perennial.notifications.relay import Relay
from perennial.stack import ChildProcess, Stack
from tests.integration.world import World, populate
from tests.support.paper_books import open_books
from worker import build_worker


@pytest.fixture(scope="session")
def own_stack() -> Iterator[Stack]:
    with Stack.throw_away() as running:
        upgrade(running.database_url)
        yield running


@pytest.fixture(scope="session")
async def paper_books(stack: Stack) -> AsyncIterator[Engine]:
    """For lives on paper: no worker, plans of their own, and a seller that each test sets."""
    async with open_books(stack) as engine:
        yield engine


@pytest.fixture(scope="session")
async def healthy(own_stack: Stack) -> World:
    """The population, told everything, its worker gone and its database closed, so that it can be copied."""
    engine = await open_engine(own_stack.settings(), lazy=False)
    prepare_gateway(engine.gateway)
    async with build_worker(engine):
        world = await populate(engine)
    # Undelivered, it would be ill as soon as its first copy is five minutes old.
    relay = Relay(engine.sessions, (LocalMailbox(engine.sessions, engine.clock),), engine.clock)
    while relay.run_once():
        pass
    engine.close()
    return world


@pytest.fixture
async def copy(own_stack: Stack, healthy: World) -> AsyncIterator[Engine]:
    """An engine on a copy of the healthy database, to spoil. The workflows are the same for all copies."""
    source = make_url(own_stack.database_url)
    name = f"copy_{uuid4().hex}"
    admin = create_engine(source.set(database="template1"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {source.database}"))
    url = source.set(database=name).render_as_string(hide_password=False)
    engine = await open_engine(own_stack.settings().model_copy(update={"database_url": url}))
    try:
        yield engine
    finally:
        engine.close()
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()


@dataclass(frozen=True)
class Said:
    """What a command line said. `json` reads its output."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.out, f"exit code {self.code}: {self.err}"
        return json.loads(self.out)


Cli = Callable[..., Said]


class Log:
    """What the worker and the relay say; pytest shows it when a test fails. Not on our own standard output."""

    def write(self, line: str) -> None:
        logging.getLogger("tests.live_stack").info(line)


@pytest.fixture(scope="session")
def live_stack() -> Iterator[Stack]:
    """Another stack, with a worker and a relay as production runs them; the command line is pointed at it."""
    with Stack.throw_away() as running:
        upgrade(running.database_url)
        environment = os.environ | running.environment()
        log = Log()
        children = [
            ChildProcess(name, [sys.executable, "-P", "-m", "perennial", name], env=environment, on_line=log.write)
            for name in ("worker", "relay")
        ]
        for child in children:
            child.start()
        try:
            yield running
        finally:
            for child in children:
                child.stop()


@pytest.fixture
def cli(live_stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command line in this process."""
    for name, value in live_stack.environment().items():
        monkeypatch.setenv(name, value)

    def call(*arguments: str) -> Said:
        capsys.readouterr()
        code = run(arguments)
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return call


@pytest.fixture
def perennial(live_stack: Stack) -> Cli:
    """The command line as its user has it: a process of its own. `env` overrides."""

    def call(*arguments: str, env: dict[str, str] | None = None, stdin: str | None = None) -> Said:
        program = Path(sys.executable).with_name("perennial")
        done = subprocess.run(
            [program, *arguments],
            env=os.environ | live_stack.environment() | (env or {}),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture
def newcomer(cli: Cli) -> Callable[..., str]:
    """A customer with a card; answers the id."""

    def make(card: str | None = "pm_card_visa") -> str:
        cli("plans", "seed")
        more = ("--card", card) if card else ()
        said = cli("customers", "create", "--name", "Ada", "--email", "ada@example.com", *more, "--json")
        assert said.code == 0, said.err
        return str(said.json["customer"]["id"])

    return make


@pytest.fixture
def subscribed(cli: Cli, newcomer: Callable[..., str]) -> Callable[..., Any]:
    """A new customer's subscription, as JSON."""

    def make(plan: str = "basic-monthly", *options: str, card: str | None = "pm_card_visa") -> Any:
        said = cli("subscriptions", "create", newcomer(card), plan, *options, "--json")
        assert said.code == 0, said.err
        return said.json

    return make
