"""`perennial plans`: what is sold. A changed plan is a new version; subscribers keep theirs."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from perennial.cli import output, plan_migrations
from perennial.cli.options import Json
from perennial.cli.output import Column, at, of
from perennial.cli.session import run, unusable, within
from perennial.db.models import Plan, PlanVersion
from perennial.db.repositories.catalog import NewPlanVersion
from perennial.domain.calendar import Interval, IntervalUnit
from perennial.domain.dunning import DEFAULT_POLICY, DunningPolicy
from perennial.engine import demo_catalog, plans
from perennial.engine.plan_checks import check_version

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Plans and their versions.")
plan_migrations.add_to(app)

_NEW = TypeAdapter(NewPlanVersion)
_FIELDS = frozenset(NewPlanVersion.__dataclass_fields__)
_CODE = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_PRICE = re.compile(r"([A-Za-z]{3})=(\d+(?:\.\d+)?)")


def _interval(row: PlanVersion) -> str:
    return str(Interval(IntervalUnit(row.interval_unit), row.interval_count))


def _prices(row: PlanVersion) -> str:
    """The amounts of simple prices, the kind of others."""
    words = []
    for currency, price in sorted(row.prices.items()):
        amount = price.get("amount") or price.get("unit_price")
        per = " each" if "unit_price" in price else ""
        words.append(f"{currency} {amount}{per}" if amount else f"{currency} {price.get('type')}")
    return ", ".join(words)


def _besides(row: PlanVersion) -> str:
    """What a plan has besides its price, by code."""
    kinds = (("usage", row.charges), ("once", row.fees), ("add-ons", row.addons))
    words = [f"{kind}: {', '.join(part['code'] for part in parts)}" for kind, parts in kinds if parts]
    return "; ".join([*words, "tax included"] if row.tax_inclusive else words)


_PLANS = (
    Column("Code", of("code")),
    Column("Version", lambda row: str(row["version"]), right=True),
    Column("Name", of("name")),
    Column("Every", lambda row: _interval(row["row"])),
    Column("Price", lambda row: _prices(row["row"])),
    Column("Besides", lambda row: _besides(row["row"])),
    Column("Trial days", lambda row: str(row["row"].trial_days or ""), right=True),
    Column("Archived", at("archived_at")),
)
_VERSIONS = (
    Column("Version", of("version"), right=True),
    Column("Name", of("name")),
    Column("Every", _interval),
    Column("Price", _prices),
    Column("Besides", _besides),
    Column("Trial days", of("trial_days"), right=True),
    Column("Proration", of("proration")),
    Column("Created", at("created_at")),
)


@app.command("list")
def list_plans(
    archived: Annotated[bool, typer.Option(help="Show archived plans too.")] = False, as_json: Json = False
) -> None:
    """Each plan in its newest version."""
    found = run(lambda engine: engine.read(_newest))
    rows = [row for row in found if archived or row["archived_at"] is None]
    if as_json:
        output.print_json({"data": [_plain(row) for row in rows], "next": None})
    else:
        output.show_list("Plans", _PLANS, rows, as_json=False)


@app.command()
def show(code: str, as_json: Json = False) -> None:
    """A plan with all its versions."""

    def read(session: Session) -> tuple[Plan, list[PlanVersion]]:
        plans.require(session, code)
        versions = select(PlanVersion).where(PlanVersion.plan_code == code).order_by(PlanVersion.version.desc())
        return session.get_one(Plan, code), list(session.scalars(versions))

    plan, versions = run(lambda engine: engine.read(read))
    if as_json:
        output.print_json(output.plain(plan) | {"versions": versions})
        return
    output.show_record({"Code": plan.code, "Archived": output.instant(plan.archived_at)})
    output.show_table("Versions, newest first", _VERSIONS, versions)


@app.command()
def create(
    file: Annotated[
        Path | None, typer.Argument(help="A JSON file with the whole plan ('-': standard input).", allow_dash=True)
    ] = None,
    source: Annotated[
        Path | None, typer.Option("--from", help="The same as FILE.", metavar="FILE", allow_dash=True)
    ] = None,
    code: Annotated[str | None, typer.Option(help="How the plan is called, for example pro-monthly.")] = None,
    name: Annotated[str | None, typer.Option(help="How customers read it.")] = None,
    price: Annotated[
        list[str] | None, typer.Option(help="Major units by currency, repeatable: --price USD=9.00.", metavar="CUR=AMT")
    ] = None,
    per_unit: Annotated[bool, typer.Option("--per-unit", help="The price is for each unit (seat).")] = False,
    every: Annotated[IntervalUnit, typer.Option(help="The interval's unit.")] = IntervalUnit.MONTH,
    count: Annotated[int, typer.Option(min=1, help="How many of it.")] = 1,
    trial_days: Annotated[int, typer.Option(min=0, help="Days before the first charge.")] = 0,
    as_json: Json = False,
) -> None:
    """A new plan, or the next version of one, from a JSON file or from options.

    Usage charges, fees, add-ons and entitlements need the file.
    """
    if sum(given is not None for given in (file, source, code)) != 1:
        unusable("give either a JSON file or --code with --name and --price")
    file = file or source
    if file is not None:
        data = _read(file)
    else:
        data = {
            "code": code,
            "name": name or code,
            "interval": {"unit": every.value, "count": count},
            "prices": dict(_price(text, per_unit=per_unit) for text in price or ()),
            "trial_days": trial_days,
        }
    new = within(lambda: _parse(data))
    row = run(lambda engine: plans.create_version(engine, new))
    if as_json:
        output.print_json(row)
    else:
        typer.echo(f"{row.plan_code} version {row.version}: {_prices(row)} every {_interval(row)}")


@app.command()
def archive(code: str, as_json: Json = False) -> None:
    """Take no new subscribers; those it has stay."""
    run(lambda engine: plans.archive(engine, code))
    if as_json:
        output.print_json({"code": code, "archived": True})
    else:
        typer.echo(f"{code} takes no new subscribers.")


@app.command()
def seed(as_json: Json = False) -> None:
    """Add the plans of the demo catalogue that are missing."""
    added = run(demo_catalog.seed)
    if as_json:
        output.print_json({"added": added})
    else:
        typer.echo(f"Added: {', '.join(added)}" if added else "The demo catalogue is complete.")


def _newest(session: Session) -> list[dict[str, Any]]:
    statement = (
        select(Plan, PlanVersion)
        .join(PlanVersion, PlanVersion.plan_code == Plan.code)
        .ext(distinct_on(Plan.code))
        .order_by(Plan.code, PlanVersion.version.desc())
    )
    return [
        {
            "code": plan.code,
            "version": row.version,
            "name": row.name,
            "archived_at": plan.archived_at,
            "row": row,
        }
        for plan, row in session.execute(statement)
    ]


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    version: dict[str, Any] = output.plain(row["row"])
    return {"code": version.pop("plan_code")} | version | {"archived_at": row["archived_at"]}


def _read(file: Path) -> dict[str, Any]:
    try:
        text = typer.get_text_stream("stdin").read() if str(file) == "-" else file.read_text()
        data = json.loads(text)
    except OSError as error:
        unusable(f"{file}: {error.strerror}")
    except ValueError as error:
        unusable(f"{file}: is no JSON: {error}")
    if not isinstance(data, dict):
        unusable(f"{file}: must hold one JSON object")
    return data


def _price(text: str, *, per_unit: bool) -> tuple[str, dict[str, str]]:
    match = _PRICE.fullmatch(text)
    if match is None:
        unusable(f"--price: {text!r} is no price; write USD=9.00")
    amount = {"type": "per_unit", "unit_price": match[2]} if per_unit else {"type": "flat", "amount": match[2]}
    return match[1].upper(), amount


def _parse(data: dict[str, Any]) -> NewPlanVersion:
    """Raises what the engine raises for prices; ends the command for what is malformed."""
    unknown = sorted(data.keys() - _FIELDS)
    if unknown:
        unusable(f"{unknown[0]}: is no field of a plan; known: {', '.join(sorted(_FIELDS))}")
    dunning = data.get("dunning")
    if isinstance(dunning, dict):
        if strange := sorted(dunning.keys() - set(_POLICY_FIELDS)):
            unusable(f"dunning.{strange[0]}: is no field of a dunning policy")
        data = data | {"dunning": {name: getattr(DEFAULT_POLICY, name) for name in _POLICY_FIELDS} | dunning}
    if not _CODE.fullmatch(str(data.get("code", ""))):
        unusable("code: lower-case letters, digits, - and _, at most 64")
    try:
        new = _NEW.validate_python(data)
    except ValidationError as error:
        unusable(_first_problem(error.errors(include_url=False, include_input=False)))
    check_version(new)
    return new


# A copy of a policy is made by its name (`dunning_policy`).
_POLICY_FIELDS: Sequence[str] = tuple(name for name in DunningPolicy.__slots__ if name not in ("code", "version"))


def _first_problem(problems: Sequence[Any]) -> str:
    problem = problems[0]
    return f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg'][:1].lower()}{problem['msg'][1:]}"
