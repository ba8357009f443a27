"""`perennial books`: recognising revenue, and why an amount is revenue."""

from typing import Annotated

import typer
from sqlalchemy import text

from perennial.books.explain import explain as explain_invoice
from perennial.books.monthly import last_month_over
from perennial.books.recognise import recognise as recognise_revenue
from perennial.cli import output
from perennial.cli.options import Json
from perennial.cli.output import Column, money, of
from perennial.cli.session import run, within
from perennial.domain.months import Month

app = typer.Typer(add_completion=False, no_args_is_help=True)

_POSTED = (
    Column("Month", of("month")),
    Column("Currency", of("currency")),
    Column("Revenue", money("revenue"), right=True),
    Column("Breakage", money("breakage"), right=True),
    Column("Lines", of("lines"), right=True),
)
_EXPLAINED = (
    Column("Line", of("line"), right=True),
    Column("What", of("description")),
    Column("From", of("service_start")),
    Column("To", of("service_end")),
    Column("Net", money("net"), right=True),
    Column("Month", of("month")),
    Column("Earned", money("earned"), right=True),
    Column("In the books", money("posted"), right=True),
)
# Test clocks live ahead of the machine: what they have seen is over.
_NOW = text("SELECT greatest(:now, max(now)) FROM test_clocks")


@app.callback()
def books() -> None:
    """Recognising revenue, and why an amount is revenue."""


@app.command()
def recognise(
    through: Annotated[
        str | None, typer.Option(metavar="MONTH", help="The last month, 2027-03; the last that is over if not said.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Post what was earned in each month up to MONTH and is not in the books yet. It may be run again at any time.

    Months are those of the seller's time zone; one that is not over, on any test clock either, is refused.
    """
    wanted = within(lambda: Month.parse(through)) if through else None
    posted = run(
        lambda engine: engine.write(
            lambda session: recognise_revenue(
                session,
                wanted or last_month_over(session, engine.clock()),
                session.execute(_NOW, {"now": engine.clock()}).scalar_one(),
            )
        )
    )
    output.show_list("Recognised revenue", _POSTED, posted, as_json=as_json)


@app.command()
def explain(
    invoice: Annotated[str, typer.Argument(help="An invoice id.", metavar="INVOICE")],
    as_json: Json = False,
) -> None:
    """Which lines of an invoice are earned in which months, and what of that is in the books."""
    rows = run(lambda engine: engine.read(lambda session: explain_invoice(session, invoice)))
    output.show_list(f"Revenue of {invoice}", _EXPLAINED, rows, as_json=as_json)
