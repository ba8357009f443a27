"""Moving the subscribers of a plan to another version: `perennial plans migrate` and what belongs to it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated

import typer

from perennial.cli import output
from perennial.cli.options import PAGE, After, Json, Limit, instant_option
from perennial.cli.output import Column, at, instant, of, status
from perennial.cli.session import note, run
from perennial.db.models import PlanMigration
from perennial.domain.money import Money
from perennial.domain.proration import ProrationBasis
from perennial.domain.subscription.commands import When
from perennial.engine import pages, plan_migration_previews, plan_migrations
from perennial.engine.context import Engine
from perennial.engine.plan_migration_previews import CurrencyTotal, PreviewedItem
from perennial.engine.plan_migrations import ItemStatus, Progress
from perennial.engine.plan_moves import NewPlanMigration

_PREVIEW_PAGE = 200


def _amount(name: str) -> Column:
    """Empty for who would be refused."""

    def show(row: PreviewedItem | CurrencyTotal) -> str:
        value = getattr(row, name)
        return "" if value is None else str(Money(value, row.currency))

    return Column(name.replace("_", " ").capitalize(), show, right=True)


_ITEMS = (
    Column("ID", of("subscription_id")),
    Column("From version", of("from_version"), right=True),
    Column("Quantity", of("quantity"), right=True),
    _amount("current_amount"),
    _amount("new_amount"),
    _amount("amount_due"),
    _amount("credit_issued"),
    Column("Next invoice", at("next_invoice_at")),
    _amount("next_amount"),
    Column("Loses", lambda row: ", ".join(row.lost_addons)),
    Column("Refused", of("code")),
)
_TOTALS = (
    Column("Currency", of("currency")),
    Column("Subscriptions", of("subscriptions"), right=True),
    Column("Refused", of("refused"), right=True),
    *(_amount(name) for name in ("current_amount", "new_amount", "amount_due", "credit_issued")),
)
_MIGRATIONS = (
    Column("ID", of("id")),
    Column("Plan", of("plan_code")),
    Column("To version", of("to_version"), right=True),
    Column("When", of("when")),
    Column("Status", status()),
    Column("Begun", at("created_at")),
    Column("Finished", at("finished_at")),
)
_ANSWERS = (
    Column("ID", of("subscription_id")),
    Column("Status", status()),
    Column("Code", of("code")),
    Column("Why", of("message")),
)


def migrate(
    code: Annotated[str, typer.Argument(help="The plan's code.")],
    to_version: Annotated[int | None, typer.Option(min=1, help="Where to (default: the newest version).")] = None,
    from_version: Annotated[
        list[int] | None, typer.Option(min=1, help="Only from this version, repeatable (default: all older ones).")
    ] = None,
    currency: Annotated[str | None, typer.Option(help="Only who pays in it.", metavar="CODE")] = None,
    when: Annotated[When, typer.Option(help="At the end of each one's period, or at once.")] = When.PERIOD_END,
    proration: Annotated[
        ProrationBasis | None, typer.Option(help="How part of a period is counted (default: as the plan says).")
    ] = None,
    effective_at: Annotated[
        datetime | None, instant_option("The `effective_at` of a preview: then just that is charged.")
    ] = None,
    preview: Annotated[bool, typer.Option("--preview", help="Say who would pay what; nothing happens.")] = False,
    as_json: Json = False,
) -> None:
    """Move the subscribers of a plan to another version of it, one after the other."""
    wanted = NewPlanMigration(
        plan=code,
        to_version=to_version,
        from_versions=tuple(from_version) if from_version else None,
        currency=currency.upper() if currency else None,
        when=when,
        proration=proration,
        effective_at=effective_at,
    )
    if preview:
        _show_preview(run(lambda engine: _whole(engine, wanted)), as_json=as_json)
        return

    async def begin(engine: Engine) -> Progress:
        return await plan_migrations.get(engine, (await plan_migrations.create(engine, wanted)).id)

    begun = run(begin)
    _show(begun, as_json=as_json)
    if not as_json:
        note(f"It goes on by itself; see `perennial plans migration {begun.migration.id}`.")


@dataclass(frozen=True, slots=True)
class _Preview:
    """All the pages of a preview in one."""

    plan: str
    to_version: int
    from_versions: tuple[int, ...]
    effective_at: datetime
    totals: tuple[CurrencyTotal, ...]
    data: tuple[PreviewedItem, ...]


async def _whole(engine: Engine, wanted: NewPlanMigration) -> _Preview:
    items: list[PreviewedItem] = []
    after: str | None = None
    while True:
        page = await plan_migration_previews.preview(engine, wanted, after=after, limit=_PREVIEW_PAGE)
        wanted = replace(wanted, effective_at=page.effective_at)
        items += page.items
        after = page.next
        if after is None:
            break
    totals = plan_migration_previews.totals(items)
    return _Preview(page.plan, page.to_version, page.from_versions, page.effective_at, totals, tuple(items))


def _show_preview(told: _Preview, *, as_json: bool) -> None:
    if as_json:
        output.print_json(told)
        return
    output.show_table(f"{told.plan} to version {told.to_version}", _ITEMS, told.data)
    output.show_table("Sums, without who would be refused", _TOTALS, told.totals)


def list_migrations(
    plan: Annotated[str | None, typer.Option(help="Only those of this plan.", metavar="CODE")] = None,
    limit: Limit = PAGE,
    after: After = None,
    as_json: Json = False,
) -> None:
    """Migrations of plans, newest first."""
    page = run(lambda engine: pages.page(engine, PlanMigration, after=after, limit=limit, filters={"plan_code": plan}))
    output.show_list("Plan migrations", _MIGRATIONS, page.items, as_json=as_json, next_page=page.next)


def show_migration(
    migration: Annotated[str, typer.Argument(help="mig_...")],
    items: Annotated[
        ItemStatus | None, typer.Option(help="List the subscriptions that stand so, for example refused.")
    ] = None,
    limit: Limit = PAGE,
    after: After = None,
    as_json: Json = False,
) -> None:
    """How far a migration is; with --items, who answered what."""
    if items is None:
        _show(run(lambda engine: plan_migrations.get(engine, migration)), as_json=as_json)
        return
    page = run(lambda engine: plan_migrations.items(engine, migration, status=items, after=after, limit=limit))
    output.show_list(f"{items.value} of {migration}", _ANSWERS, page.items, as_json=as_json, next_page=page.next)


def cancel_migration(migration: Annotated[str, typer.Argument(help="mig_...")], as_json: Json = False) -> None:
    """Ask nobody else; what has been done or scheduled stands."""
    _show(run(lambda engine: plan_migrations.cancel(engine, migration)), as_json=as_json)


def _show(progress: Progress, *, as_json: bool) -> None:
    row = progress.migration
    if as_json:
        output.print_json(output.plain(row) | {"counts": progress.counts})
        return
    output.show_record(
        {
            "ID": row.id,
            "Plan": f"{row.plan_code}, from version {', '.join(map(str, row.from_versions))} to {row.to_version}",
            "Currency": row.currency or "",
            "When": row.when,
            "Status": row.status,
            "Subscriptions": _counted(progress.counts) or "none",
            "Begun": instant(row.created_at),
            "Finished": instant(row.finished_at),
        }
    )


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def add_to(app: typer.Typer) -> None:
    app.command("migrate")(migrate)
    app.command("migrations")(list_migrations)
    app.command("migration")(show_migration)
    app.command("cancel-migration")(cancel_migration)
