"""`perennial routing`: which gateway new business goes to, and what comes after it in an outage."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter, ValidationError

from perennial.cli import output
from perennial.cli.options import Json
from perennial.cli.output import Column
from perennial.cli.session import run, unusable
from perennial.db.repositories.routing import rules_of
from perennial.domain.routing import Rule
from perennial.engine import routing
from perennial.engine.context import Engine

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Which gateway new business goes to.")

_RULES = TypeAdapter(tuple[Rule, ...])
_COLUMNS = (
    Column("Currency", lambda rule: rule.currency or "any"),
    Column("Country", lambda rule: rule.country or "any"),
    Column("Gateways", lambda rule: ", ".join(f"{share.gateway} {share.percent}%" for share in rule.shares)),
)


@app.command()
def show(as_json: Json = False) -> None:
    """The rules in force; the first that fits decides."""
    _show(run(_found), as_json=as_json)


@app.command("set")
def set_rules(
    file: Annotated[Path, typer.Argument(metavar="FILE.json", help="A list of rules (docs/payments.md); - is stdin.")],
    as_json: Json = False,
) -> None:
    """Put these rules in force, all at once. What has been begun stays at its gateway."""
    wanted = _read(file)

    async def work(engine: Engine) -> dict[str, Any]:
        await routing.replace(engine, wanted)
        return await _found(engine)

    _show(run(work), as_json=as_json)


@app.command("try")
def try_it(
    customer: str, currency: Annotated[str, typer.Argument(help="ISO 4217, such as EUR.")], as_json: Json = False
) -> None:
    """Where something new for this customer would go, and what would come after that in an outage."""
    names = run(lambda engine: routing.order(engine, customer, currency.upper()))
    if as_json:
        output.print_json({"gateways": names})
    else:
        typer.echo("\n".join(names))


async def _found(engine: Engine) -> dict[str, Any]:
    table = await routing.table(engine)
    set_at = table.created_at if table else None
    return {"rules": rules_of(table), "set_at": set_at, "gateways": engine.gateways.names}


def _show(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        output.print_json(found | {"rules": _RULES.dump_python(found["rules"], mode="json")})
        return
    output.show_table("Routing", _COLUMNS, found["rules"])
    typer.echo(f"Where no rule fits: {', then '.join(found['gateways'])}")


def _read(file: Path) -> tuple[Rule, ...]:
    try:
        data = json.loads(typer.get_text_stream("stdin").read() if str(file) == "-" else file.read_text())
        if not isinstance(data, list):
            unusable(f"{file}: must hold a JSON list of rules")
        return _RULES.validate_python(data)
    except OSError as error:
        unusable(f"{file}: {error.strerror}")
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        unusable(f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}")
    except ValueError as error:
        unusable(f"{file}: is no JSON: {error}")
