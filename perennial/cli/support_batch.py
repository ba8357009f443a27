"""`perennial support batch-reset | batch-resets | cancel-batch-reset`."""

import asyncio
import time
from typing import Annotated

import typer

from perennial.cli import output
from perennial.cli.options import PAGE, After, Json, Limit
from perennial.cli.output import Column, at, instant, of, status
from perennial.cli.session import FOUND_WRONG, note, run, unusable, within
from perennial.cli.support_care import Actor, Reason, who
from perennial.db.models import BatchReset
from perennial.engine import pages
from perennial.engine.context import Engine
from perennial.support import batch_resets
from perennial.support.audit import Who
from perennial.support.batch import Item, Meant, Outcome
from perennial.support.batch_resets import PENDING, Progress, Status

_POLL_SECONDS = 0.3
# A worker takes the first page up within a second; after so long people wonder.
_PATIENCE_SECONDS = 15.0
_ITEM_PAGE = 500
_NOT_WELL = (Outcome.LAGGING, Outcome.DECIDED_AGAIN, Outcome.REFUSED, Outcome.FAILED)

_ITEMS = (
    Column("ID", of("subscription")),
    Column("Outcome", of("outcome")),
    Column("To", of("to")),
    Column("", of("words")),
)
_BATCHES = (
    Column("ID", of("id")),
    Column("Begun (UTC)", at("created_at")),
    Column("Status", status()),
    Column("Build", of("build")),
    Column("Query", of("query")),
    Column("Who", of("actor")),
    Column("Finished (UTC)", at("finished_at")),
)

Batch = Annotated[str, typer.Argument(metavar="BATCH", help="brs_...")]


def batch_reset(
    batch: Annotated[
        str | None, typer.Argument(metavar="[BATCH]", help="brs_...: one that was begun before, to watch or let go.")
    ] = None,
    build: Annotated[
        str | None, typer.Option(metavar="ID", help="All that this build of the worker has decided.")
    ] = None,
    query: Annotated[
        str | None, typer.Option(help="Those that a visibility query finds, to before what fails.")
    ] = None,
    go: Annotated[
        bool, typer.Option("--yes/--dry-run", help="Do it; else it is only shown what would be done.")
    ] = False,
    reason: Reason = None,
    actor: Actor = None,
    as_json: Json = False,
) -> None:
    """Reset many: to before the first step that a build decided, or each to before what fails there.

    The workers do it; who stops watching stops nothing. Safe to repeat: what is well, or was reset already, is left
    alone. Take the wrong build away first.
    """
    if [batch, build, query].count(None) != 2:  # noqa: PLR2004 - just one of the three
        unusable("give one of: --build, --query, or a batch that was begun before")
    asking = who(reason, actor) if go else None
    meant = None if batch else within(lambda: Meant(build, query))

    async def work(engine: Engine) -> tuple[Progress, list[Item]]:
        made = await _begun(engine, batch, meant, asking)
        note(f"{made.batch.id}: {made.total} subscription{'' if made.total == 1 else 's'}")
        made = await _watched(engine, made)
        return made, await _items(engine, made.batch.id)

    made, items = run(work)
    _show(made, items, as_json=as_json)
    if made.counts[PENDING] or any(made.counts[outcome] for outcome in _NOT_WELL):
        raise typer.Exit(FOUND_WRONG)


def list_batch_resets(limit: Limit = PAGE, after: After = None, as_json: Json = False) -> None:
    """Batches of resets, newest first."""
    page = run(lambda engine: pages.page(engine, BatchReset, after=after, limit=limit))
    output.show_list("Batches of resets", _BATCHES, page.items, as_json=as_json, next_page=page.next)


def cancel_batch_reset(batch: Batch, reason: Reason = None, actor: Actor = None, as_json: Json = False) -> None:
    """Reset nobody else; what has been done stands."""
    asking = who(reason, actor)

    async def work(engine: Engine) -> tuple[Progress, list[Item]]:
        made = await batch_resets.cancel(engine, batch, asking)
        return made, await _items(engine, batch)

    made, items = run(work)
    _show(made, items, as_json=as_json)


async def _begun(engine: Engine, batch: str | None, meant: Meant | None, asking: Who | None) -> Progress:
    if meant is not None:
        return await batch_resets.create(engine, meant, asking)
    assert batch is not None
    if asking is not None:
        return await batch_resets.let_go(engine, batch, asking)
    return await batch_resets.get(engine, batch)


async def _watched(engine: Engine, made: Progress) -> Progress:
    """Until it is over."""
    began, seen = time.monotonic(), made.counts[PENDING]
    while made.is_at_work:
        await asyncio.sleep(_POLL_SECONDS)
        made = await batch_resets.get(engine, made.batch.id)
        if made.counts[PENDING] != seen:
            began, seen = time.monotonic(), made.counts[PENDING]
            note(f"{made.total - seen}/{made.total}: {_counted(made)}")
        elif time.monotonic() - began > _PATIENCE_SECONDS:
            began = time.monotonic()
            note("still waiting: is a worker of the mended code there? It goes on when one comes, watched or not")
    return made


async def _items(engine: Engine, batch: str) -> list[Item]:
    found: list[Item] = []
    after: str | None = None
    while True:
        page = await batch_resets.items(engine, batch, after=after, limit=_ITEM_PAGE)
        found += page.items
        after = page.next
        if after is None:
            return found


def _show(made: Progress, items: list[Item], *, as_json: bool) -> None:
    row = made.batch
    if as_json:
        output.print_json(output.plain(row) | {"counts": made.counts, "data": items})
        return
    output.show_table(f"Batch {row.id}: {row.status}", _ITEMS, items)
    typer.echo(f"{_counted(made) or 'none was found'}; begun {instant(row.created_at)}")
    if row.status == Status.HALTED:
        typer.echo("It stopped, for the build still works. Take it away, then let the batch go on with --yes.")
    elif made.to_do:
        typer.echo(f"Nothing was done. `perennial support batch-reset {row.id} --yes --reason ...` does it.")


def _counted(made: Progress) -> str:
    return ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in made.counts.items() if n)


def register(app: typer.Typer) -> None:
    app.command("batch-reset")(batch_reset)
    app.command("batch-resets")(list_batch_resets)
    app.command("cancel-batch-reset")(cancel_batch_reset)
