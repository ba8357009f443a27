"""The root of the command line. Each command's module is imported only when that command runs.

A module exposes a `typer.Typer` (usually `app`) or a plain function; the table below names it. Exit codes: 0 fine,
1 something was found wrong, 2 the arguments or settings are unusable.
"""

import contextlib
import importlib
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Annotated, NamedTuple, NoReturn

import typer
from typer.main import get_command

FOUND_WRONG = 1
UNUSABLE = 2


class Command(NamedTuple):
    name: str
    module: str
    attribute: str
    help: str
    panel: str


RUN = "Run"
MANAGE = "Manage"
LOOK = "Look and repair"

COMMANDS: tuple[Command, ...] = (
    Command("dev", "perennial.cli.dev", "app", "The whole stack on this machine until Ctrl-C.", RUN),
    Command("demo", "perennial.cli.demo", "app", "A finite showcase on the real engine.", RUN),
    Command("chaos", "perennial.cli.chaos", "app", "Everything goes wrong at once, and is judged.", RUN),
    Command("migrate", "perennial.cli.process", "migrate", "Bring the database up to date.", RUN),
    Command("api", "perennial.cli.process", "api", "The HTTP API, one process.", RUN),
    Command("worker", "perennial.cli.process", "worker", "The Temporal worker, one process.", RUN),
    Command("relay", "perennial.cli.process", "relay", "Delivers the outbox, one process.", RUN),
    Command("codec-server", "perennial.cli.codec", "codec_server", "Shows encrypted payloads to the Temporal UI.", RUN),
    Command("customers", "perennial.cli.customers", "app", "Customers and their payment methods.", MANAGE),
    Command("seller", "perennial.cli.seller", "app", "Who sells, and where tax is collected.", MANAGE),
    Command("tax", "perennial.cli.tax", "app", "Tax rates and what they lead to.", MANAGE),
    Command("plans", "perennial.cli.plans", "app", "Plans and their versions.", MANAGE),
    Command("meters", "perennial.cli.meters", "app", "Meters: what is counted, and how.", MANAGE),
    Command("usage", "perennial.cli.usage", "app", "Usage events, and what customers may use.", MANAGE),
    Command("coupons", "perennial.cli.coupons", "app", "Coupons.", MANAGE),
    Command("credits", "perennial.cli.credits", "app", "Customers' credit.", MANAGE),
    Command("dunning", "perennial.cli.dunning", "app", "What happens when payments fail.", MANAGE),
    Command("routing", "perennial.cli.routing", "app", "Which gateway new business goes to.", MANAGE),
    Command("subscriptions", "perennial.cli.subscriptions", "app", "Subscriptions and their commands.", MANAGE),
    Command("invoices", "perennial.cli.invoices", "app", "Invoices.", MANAGE),
    Command("payments", "perennial.cli.payments", "app", "Payments and refunds.", MANAGE),
    Command("checkout", "perennial.cli.checkout", "app", "Sessions of the payment page.", MANAGE),
    Command("gifts", "perennial.cli.gifts", "app", "Gifts.", MANAGE),
    Command("clocks", "perennial.cli.clocks", "app", "Test clocks.", MANAGE),
    Command("messages", "perennial.cli.messages", "app", "Delivered messages.", MANAGE),
    Command("bill", "perennial.cli.bill", "app", "Bill what a customer owes now.", MANAGE),
    Command("report", "perennial.cli.report", "app", "Every registered report.", LOOK),
    Command("books", "perennial.cli.books", "app", "Recognises revenue, and says why it is revenue.", LOOK),
    Command("export", "perennial.cli.export", "app", "The ledger, for other programs.", LOOK),
    Command("check", "perennial.cli.check", "app", "The invariants of the books and the workflows.", LOOK),
    Command("findings", "perennial.cli.findings", "app", "What differs, and since when.", LOOK),
    Command("support", "perennial.cli.support", "app", "What support staff need.", LOOK),
    Command("timeline", "perennial.cli.timeline", "app", "What happened to a subscription.", LOOK),
    Command("backup", "perennial.cli.backup", "backup", "A backup of the database, verified on demand.", LOOK),
    Command("restore", "perennial.cli.backup", "restore", "A backup into an empty database.", LOOK),
    Command("recover", "perennial.cli.backup", "recover", "After a restore: what has happened since.", LOOK),
    Command("bench", "perennial.cli.bench", "app", "A measurement beside its ceiling.", LOOK),
)

app = typer.Typer(
    name="perennial",
    help="Perennial, a subscription billing engine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"perennial {version('perennial')}")
        raise typer.Exit


@app.callback()
def root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None: ...


def _register(command: Command) -> None:
    """A stand-in that hands every argument, `--help` too, to the real command."""

    @app.command(
        command.name,
        help=command.help,
        rich_help_panel=command.panel,
        add_help_option=False,
        context_settings={
            "ignore_unknown_options": True,
            "allow_extra_args": True,
            "allow_interspersed_args": False,
        },
    )
    def stand_in(context: typer.Context) -> None:
        target = getattr(importlib.import_module(command.module), command.attribute)
        if not isinstance(target, typer.Typer):
            function, target = target, typer.Typer(add_completion=False)
            target.command()(function)
        get_command(target).main(args=list(context.args), prog_name=f"perennial {command.name}")


for _command in COMMANDS:
    _register(_command)


def run(arguments: Sequence[str]) -> int:
    """Runs one command line and answers its exit code. A failure that is foreseen is one line, not a traceback."""
    try:
        get_command(app).main(args=list(arguments), prog_name="perennial")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else FOUND_WRONG if end.code else 0
    except Exception as error:  # noqa: BLE001 (the last resort of the process)
        return _explain(error)
    return 0


def main() -> NoReturn:
    """The console script. It ends without the interpreter's tidying up, in which the Temporal SDK can abort."""
    code = run(sys.argv[1:])
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _explain(error: Exception) -> int:
    # Imported here: a command that ends well pays for none of this.
    from sqlalchemy.exc import OperationalError

    from perennial.config import PREFIX, SettingsError
    from perennial.domain.errors import PerennialError
    from perennial.stack.process import StackError
    from perennial.temporal.client import TemporalUnavailable

    code, text = FOUND_WRONG, str(error)
    match error:
        case SettingsError():
            code = UNUSABLE
        case StackError() | TemporalUnavailable():
            pass
        case PerennialError():
            text = f"{error.code}: {error}"
        case OperationalError():
            text = f"the database does not answer ({PREFIX}DATABASE_URL): {str(error.orig).strip().splitlines()[0]}"
        case _:
            text = "".join(traceback.format_exception(error.with_traceback(_ours(error.__traceback__)))).rstrip()
    typer.echo(text, err=True)
    return code


def _ours(trace: TracebackType | None) -> TracebackType | None:
    """The trace without the dozen frames through which Typer reaches the command."""
    framework = (__file__, str(Path(typer.__file__).parent))
    while trace is not None and trace.tb_next is not None and trace.tb_frame.f_code.co_filename.startswith(framework):
        trace = trace.tb_next
    return trace


if __name__ == "__main__":
    main()
