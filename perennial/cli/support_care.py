"""`perennial support retry | rebuild | park | unpark | actions`, and who asks for it."""

import getpass
from typing import Annotated

import typer

from perennial.cli import output
from perennial.cli.options import PAGE, After, Json, Limit
from perennial.cli.output import Column, at, of
from perennial.cli.session import run, within
from perennial.cli.subscription_view import show_view
from perennial.db.models import SupportAction
from perennial.engine import pages
from perennial.support import desk
from perennial.support.audit import Who

Subscription = Annotated[str, typer.Argument(metavar="ID", help="sub_...")]
Reason = Annotated[str | None, typer.Option(metavar="TEXT", help="Why. It is written down, and asked for.")]
Actor = Annotated[str | None, typer.Option(metavar="NAME", help="Who; else the user of this machine.")]

_ACTIONS = (
    Column("No", of("id"), right=True),
    Column("When (UTC)", at("at")),
    Column("Who", of("actor")),
    Column("Did", of("action")),
    Column("To", of("subject")),
    Column("Why", of("reason")),
    Column("Outcome", lambda row: row.outcome or "was cut off"),
)


def who(reason: str | None, actor: str | None) -> Who:
    """Ends the command when there is no reason."""
    return within(lambda: Who(actor or _user(), reason or ""))


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number that has no name
        return "cli"


def retry(
    subject: Annotated[
        str, typer.Argument(metavar="ID", help="sub_..., gift_..., inv_..., cn_..., mig_... or brs_...")
    ],
    reason: Reason = None,
    actor: Actor = None,
    as_json: Json = False,
) -> None:
    """Try now what is stuck: a failing activity, a missing workflow, what is overdue, an open invoice.

    Nothing is ever charged twice.
    """
    asking = who(reason, actor)
    did = run(lambda engine: desk.retry(engine, asking, subject))
    if as_json:
        output.print_json({"id": subject, "did": did})
    else:
        typer.echo(f"{subject}: {did}")


def rebuild(subscription: Subscription, reason: Reason = None, actor: Actor = None, as_json: Json = False) -> None:
    """Write its row, timeline and spans again from the workflow's history. What is right stays as it is."""
    asking = who(reason, actor)
    done = run(lambda engine: desk.rebuild(engine, asking, subscription))
    if as_json:
        output.print_json(done)
        return
    wrong = f" ({', '.join(done.columns)})" if done.columns else ""
    typer.echo(
        f"{subscription}: the row was {done.row}{wrong}; {done.entries} entries of its timeline, {done.spans} spans"
    )
    if done.dropped:
        typer.echo(f"{done.dropped} entries and spans that no history knows were taken away.")
    if not done.is_whole:
        typer.echo("Its history does not reach back to its start: what is older was left as it is.")


def park(subscription: Subscription, reason: Reason = None, actor: Actor = None, as_json: Json = False) -> None:
    """Put it aside: nothing renews, nothing is retried, nothing is obeyed until it is unparked. Payments are taken."""
    asking = who(reason, actor)
    show_view(run(lambda engine: desk.park(engine, asking, subscription)), as_json=as_json)


def unpark(subscription: Subscription, reason: Reason = None, actor: Actor = None, as_json: Json = False) -> None:
    """Take it up again. What fell due meanwhile is done now, each thing once, in its order."""
    asking = who(reason, actor)
    show_view(run(lambda engine: desk.unpark(engine, asking, subscription)), as_json=as_json)


def actions(
    subject: Annotated[str | None, typer.Option(metavar="ID", help="Only what was done to this.")] = None,
    limit: Limit = PAGE,
    after: After = None,
    as_json: Json = False,
) -> None:
    """What support did, newest first: who, when, why, and what came of it."""
    filters = {"subject": subject}
    page = run(lambda engine: pages.page(engine, SupportAction, after=after, limit=limit, filters=filters))
    output.show_list("Support", _ACTIONS, page.items, as_json=as_json, next_page=page.next)


def register(app: typer.Typer) -> None:
    for command in (retry, rebuild, park, unpark, actions):
        app.command()(command)
