"""`perennial backup`, `perennial restore` and `perennial recover`."""

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from perennial.backup import manifest
from perennial.backup.manifest import Backup
from perennial.backup.restore import restore as restore_into
from perennial.backup.take import forget, take
from perennial.cli import output
from perennial.cli.check import show_results
from perennial.cli.migrations import head
from perennial.cli.options import Json, instant_option
from perennial.cli.process import load_application
from perennial.cli.session import FOUND_WRONG, note, run, unusable, within
from perennial.config import PREFIX, Settings, load_settings, normalise_database_url

if TYPE_CHECKING:
    from perennial.backup.recover import Recovered
    from perennial.checks.result import CheckResult

_MEBIBYTE = 1024 * 1024


def backup(
    to: Annotated[Path | None, typer.Option(metavar="DIR", help=f"The folder of backups ({PREFIX}BACKUP_DIR).")] = None,
    keep: Annotated[
        int | None, typer.Option(min=1, help="Afterwards, when it is sound, remove all but the newest so many.")
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Restore it into a throw-away database and check the books there.")
    ] = False,
    only_verify: Annotated[
        Path | None, typer.Option("--only-verify", metavar="PATH", help="Take none; verify this one.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Back the database up: one consistent snapshot, while everything runs.

    A backup is a folder with the dump and a manifest of what is in it. Exit code 1 when --verify finds something wrong.
    """
    settings = within(load_settings)
    if only_verify is not None:
        made = within(lambda: manifest.find(only_verify))
    else:
        folder = to or settings.backup_dir
        if folder is None:
            unusable(f"where to? Name a folder with --to or {PREFIX}BACKUP_DIR")
        made = within(lambda: take(settings.require_database_url(), folder))
        note(f"Written: {made.folder}")
    results = _verified(made) if verify or only_verify is not None else None
    # Last: older ones are all there is while the new one may be worth nothing.
    sound = results is None or all(result.ok for result in results)
    gone = within(lambda: forget(made.folder.parent, keep)) if keep and sound and only_verify is None else []
    _report(made, results, gone, as_json=as_json)
    if not sound:
        raise typer.Exit(FOUND_WRONG)


def restore(
    path: Annotated[Path, typer.Argument(help="A backup, or the folder of backups: then the newest.")],
    into: Annotated[
        str | None, typer.Option(metavar="URL", help=f"The empty database ({PREFIX}DATABASE_URL); made if missing.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Restore a backup into an empty database: all of it or nothing, compared row by row.

    A database that is not empty, or that is worked on, is refused. Nothing is written from a backup that is not whole.
    """
    url = _target(into)
    found = within(lambda: manifest.find(path))
    within(lambda: restore_into(found, url))
    behind = found.manifest.revision != head()
    if as_json:
        output.print_json(_fields(found) | {"migrate": behind})
        return
    _show(found)
    typer.echo("Restored, and the same as it was.")
    if behind:
        typer.echo(f"It is at revision {found.manifest.revision}: run `perennial migrate` on it.")
    typer.echo(
        "What has happened since stands in Temporal's histories. With every process stopped (docs/backup.md):\n"
        f"  perennial recover --since {found.manifest.taken_at:%Y-%m-%dT%H:%M:%SZ}"
    )


def recover(
    since: Annotated[datetime, instant_option("When the restored backup was taken; `perennial restore` says it.")],
    as_json: Json = False,
) -> None:
    """After a restore of an older database: write again what has happened since, from histories and gateway.

    Nothing is charged, refunded or sent. Exit code 1 when something is lost that no history holds.
    """
    from perennial.backup.recover import recover as recover_since

    writers = load_application("activities.registry", "writers")
    done = run(lambda engine: recover_since(engine, since, writers))
    if as_json:
        output.print_json(asdict(done) | {"whole": done.is_whole})
    else:
        _tell(done)
    if not done.is_whole:
        raise typer.Exit(FOUND_WRONG)


def _tell(done: "Recovered") -> None:
    typer.echo(
        f"Written again: {done.told} activities of {done.subjects} workflows; {done.messages} messages not sent again;"
        f" {done.disputes} disputes, {done.references} references of gateways."
    )
    for one in done.stopped:
        typer.echo(f"{one.subject}: given up at `{one.activity}` of {one.at:%Y-%m-%d %H:%M} UTC: {one.reason}")
    for customer in done.customers:
        typer.echo(f"{customer}: a customer whose name and address are lost")
    for method in done.payment_methods:
        typer.echo(f"{method}: a payment method that is lost; its customer has to give it again")
    for dispute in done.lost_disputes:
        typer.echo(f"{dispute}: a dispute that its gateway does not list; its next webhook books it")
    for name, count in done.unknown.items():
        typer.echo(f"{name}: {count} times, not run again")
    typer.echo(
        "Now: `perennial check`." if done.is_whole else "Now: `perennial check`, and docs/backup.md for the rest."
    )


def _target(into: str | None) -> str:
    settings: Settings = within(load_settings)
    try:
        return normalise_database_url(into) if into else within(settings.require_database_url)
    except (PydanticCustomError, ValidationError) as error:
        unusable(f"--into: {error}")


def _verified(made: Backup) -> "list[CheckResult]":
    # Imported here: a plain backup pays for no engine.
    from perennial.backup.verify import verify

    return within(lambda: verify(made))


def _report(made: Backup, results: "list[CheckResult] | None", gone: list[Path], *, as_json: bool) -> None:
    ok = results is not None and all(result.ok for result in results)
    if as_json:
        verified = {} if results is None else {"verified": ok, "checks": results}
        output.print_json(_fields(made) | verified | {"removed": [str(one) for one in gone]})
        return
    _show(made)
    if results is not None:
        show_results(results)
        typer.echo("Verified: restored, the same row by row, and its books hold." if ok else "Its books do not hold.")


def _fields(made: Backup) -> dict[str, Any]:
    return {"path": str(made.folder)} | asdict(made.manifest) | {"rows": made.manifest.rows}


def _show(made: Backup) -> None:
    about = made.manifest
    output.show_record(
        {
            "Backup": str(made.folder),
            "Taken at": f"{about.taken_at:%Y-%m-%d %H:%M:%S} UTC",
            "Holds": f"{about.rows} rows in {len(about.tables)} tables",
            "Size": f"{about.bytes / _MEBIBYTE:.1f} MiB",
            "PostgreSQL": str(about.server_version),
            "Revision": about.revision,
        }
    )
