"""PostgreSQL and Temporal start, stop, die and come back together."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client

from perennial.config import Settings, load_settings
from perennial.running import LOCK_FILE, STACK_FILE
from perennial.stack import Stack, StackError
from perennial.stack.folder import StackFolder
from perennial.temporal import search_attributes
from perennial.temporal.client import connect

HOLDER = """
import sys, time
from pathlib import Path
from perennial.config import Settings
from perennial.stack import Stack
with Stack.persistent(Settings(_env_file=None, data_dir=Path(sys.argv[1]))) as stack:
    print(stack.database_url, stack.temporal_address, flush=True)
    time.sleep(120)
"""


def _sql(url: str, statement: str) -> list[object]:
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            result = connection.execute(text(statement))
            return list(result.scalars()) if result.returns_rows else []
    finally:
        engine.dispose()


@contextmanager
def _taken(port: int) -> Iterator[None]:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
            listener.listen(1)
        except OSError:
            pass  # somebody else has it: just as taken
        yield


async def _start_workflow(address: str, workflow_id: str) -> None:
    client = await Client.connect(address)
    await client.start_workflow("Nobody", id=workflow_id, task_queue="nobody")


def test_a_stopped_stack_leaves_no_process_and_no_folder(processes_naming: Callable[[str], list[int]]) -> None:
    stack = Stack.throw_away()
    with stack:
        folder = stack.folder.path
        port = stack.temporal_address.partition(":")[2]
        assert _sql(stack.database_url, "SELECT current_database()") == ["perennial"]
        assert len(processes_naming(str(folder))) == 1
        assert len(processes_naming(f"\0{port}\0")) == 1
    assert processes_naming(str(folder)) == []
    assert processes_naming(f"\0{port}\0") == []
    assert not folder.exists()


async def test_temporal_knows_the_search_attributes_and_keeps_closed_runs_for_30_days(stack: Stack) -> None:
    client = await connect(stack.settings())
    request = DescribeNamespaceRequest(namespace="default")
    described = await client.workflow_service.describe_namespace(request)
    assert described.config.workflow_execution_retention_ttl.ToTimedelta() == timedelta(days=30)
    assert await client.count_workflows(" AND ".join(f"{name} IS NULL" for name in search_attributes.TYPES)) is not None


async def test_the_second_start_finds_the_state_of_the_first(settings: Settings) -> None:
    with Stack.persistent(settings) as stack:
        _sql(stack.database_url, "CREATE TABLE kept AS SELECT 42 AS answer")
        await _start_workflow(stack.temporal_address, "kept")
    with Stack.persistent(settings) as stack:
        assert _sql(stack.database_url, "SELECT answer FROM kept") == [42]
        client = await Client.connect(stack.temporal_address)
        assert (await client.get_workflow_handle("kept").describe()).id == "kept"


async def test_parts_can_be_killed_and_started_again(settings: Settings) -> None:
    with Stack.persistent(settings) as stack:
        assert stack.postgres is not None
        assert stack.temporal is not None
        before = stack.database_url, stack.temporal_address
        _sql(stack.database_url, "CREATE TABLE kept AS SELECT 42 AS answer")
        await _start_workflow(stack.temporal_address, "kept")
        for part in (stack.postgres, stack.temporal):
            part.kill()
            part.start()
            part.restart()
        assert (stack.database_url, stack.temporal_address) == before
        assert _sql(stack.database_url, "SELECT answer FROM kept") == [42]
        client = await Client.connect(stack.temporal_address)
        assert (await client.get_workflow_handle("kept").describe()).id == "kept"


def test_a_killed_holder_takes_its_parts_along_and_blocks_nothing(
    settings: Settings, processes_naming: Callable[[str], list[int]], eventually: Callable[..., bool]
) -> None:
    folder = settings.data_dir
    command = [sys.executable, "-c", HOLDER, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        url = holder.stdout.readline().split()[0]
        _sql(url, "CREATE TABLE kept AS SELECT 42 AS answer")
        assert len(processes_naming(str(folder))) == 3
        holder.kill()
    with Stack.persistent(settings) as stack:  # at once, while the old parts are still on their way out
        assert _sql(stack.database_url, "SELECT answer FROM kept") == [42]
    assert eventually(lambda: processes_naming(str(folder)) == [])


def test_a_server_that_outlived_its_holder_is_ended(settings: Settings) -> None:
    """As after a kill on a system without a parent-death signal."""
    first = Stack.persistent(settings)
    first.start()
    parts = [part.process for part in (first.postgres, first.temporal) if part is not None and part.process is not None]
    first.folder.release()
    with Stack.persistent(settings) as second:
        assert [part.wait(5) for part in parts] == [0, 0]
        assert _sql(second.database_url, "SELECT 1") == [1]


def test_a_stale_pid_file_blocks_nothing(settings: Settings) -> None:
    with Stack.persistent(settings):
        pass
    stale = settings.data_dir / "postgres" / "postmaster.pid"
    stale.write_text(f"{os.getpid()}\n{stale.parent}\n")
    with Stack.persistent(settings) as stack:
        assert _sql(stack.database_url, "SELECT 1") == [1]


def test_a_folder_has_one_stack_at_a_time(tmp_path: Path) -> None:
    first, second = (StackFolder(tmp_path, throw_away=False) for _ in range(2))
    first.lock()
    with pytest.raises(StackError, match=rf"another perennial \(process {os.getpid()}\) already runs in .*--data-dir"):
        second.lock()
    first.release()
    second.lock()
    second.release()


def test_a_taken_port_gives_another_one_and_a_word(settings: Settings) -> None:
    said: list[str] = []
    with _taken(7233), _taken(8233), Stack.persistent(settings, said.append) as stack:
        assert stack.temporal_address != "127.0.0.1:7233"
        assert stack.ui_url not in {None, "http://127.0.0.1:8233"}
        assert said == [
            f"Port 7233 is taken: Temporal uses {stack.temporal_address.partition(':')[2]}.",
            f"Port 8233 is taken: Temporal's UI uses {str(stack.ui_url).rpartition(':')[2]}.",
        ]


def test_parts_of_your_own_are_used_instead(stack: Stack, settings: Settings) -> None:
    named = {"database_url": stack.database_url, "temporal_address": stack.temporal_address}
    with Stack.persistent(settings.model_copy(update=named)) as other:
        assert other.postgres is None
        assert other.temporal is None
        assert other.environment()["PERENNIAL_DATABASE_URL"] == stack.database_url
        assert other.ui_url is None


def test_other_terminals_find_a_running_stack(stack: Stack, settings: Settings) -> None:
    named = {"database_url": stack.database_url, "temporal_address": stack.temporal_address}
    with Stack.persistent(settings.model_copy(update=named)) as other:
        other.publish(api_port=8123)
        found = load_settings(data_dir=settings.data_dir)
        assert (found.database_url, found.api_port) == (stack.database_url, 8123)
        assert (settings.data_dir / STACK_FILE).stat().st_mode & 0o077 == 0
        assert json.loads((settings.data_dir / STACK_FILE).read_text())["temporal_address"] == stack.temporal_address
    assert not (settings.data_dir / STACK_FILE).exists()
    assert (settings.data_dir / LOCK_FILE).exists()


def test_a_deep_folder_gets_a_short_socket_path(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    with Stack.persistent(Settings(_env_file=None, data_dir=deep)) as stack:
        assert _sql(stack.database_url, "SELECT 1") == [1]


def test_a_temporal_that_cannot_start_is_a_message(settings: Settings) -> None:
    settings.data_dir.mkdir()
    (settings.data_dir / "temporal.db").write_text("this is no database file" * 100)
    with pytest.raises(StackError, match="Temporal does not start"), Stack.persistent(settings):
        pass
