"""Restoring a backup: into an empty database, all of it or nothing, and compared with what it was."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import make_url, text

from perennial.backup import database, manifest
from perennial.backup.manifest import Backup
from perennial.backup.programs import BackupFailed, run
from perennial.stack.folder import StackFolder
from perennial.stack.postgres import EmbeddedPostgres


class DatabaseInUse(BackupFailed):
    """The database to be restored into holds something, or somebody works on it."""

    code = "database_in_use"


class NotTheSame(BackupFailed):
    """What was restored is not what was backed up."""

    code = "restore_differs"


def restore(backup: Backup, url: str) -> None:
    """Make the empty (or missing) database at `url` what the backup is, and compare it, row by row.

    Raises:
        BackupFailed: the backup is cut off, altered, or from a newer server. Nothing has been written then.
        DatabaseInUse: the database is not empty, or API, workers or relays hold connections to it.
        NotTheSame: the restored rows differ from the manifest.
        OperationalError: the server does not answer.
    """
    manifest.require_whole(backup)
    run("pg_restore", url, ["--list", str(backup.dump)])
    database.create_missing(url)
    engine = database.connect(url)
    name = make_url(url).database
    try:
        with engine.connect() as connection:
            if count := database.sessions(connection):
                raise DatabaseInUse(
                    f"{count} connections of running API, worker or relay processes are open to the database {name}. "
                    "Stop them, or restore into another database with --into"
                )
            if not database.is_empty(connection):
                raise DatabaseInUse(
                    f"the database {name} is not empty, and a restore never writes over what is there. Restore into a "
                    f"new one (--into .../{name}_restored: it is made), let `perennial check` look at it, and point "
                    "PERENNIAL_DATABASE_URL there"
                )
            if database.server_version(connection) < backup.manifest.server_version:
                raise BackupFailed(
                    f"the backup is from PostgreSQL {backup.manifest.server_version}, this server is "
                    f"{database.server_version(connection)}: restore into one that is as new"
                )
        options = ["--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges"]
        run("pg_restore", url, [*options, f"--dbname={name}", str(backup.dump)])
        with engine.connect() as connection:
            if lines := database.differences(backup.manifest.tables, database.tables(connection)):
                raise NotTheSame("\n".join(["restored, but not the same as the backup:", *lines]))
            connection.commit()
            connection.execute(text("ANALYZE"))
            connection.commit()
    finally:
        engine.dispose()


@contextmanager
def rehearsed(backup: Backup) -> Iterator[str]:
    """The backup restored into a throw-away PostgreSQL on this machine: its URL.

    Raises:
        as `restore` does; StackError when the embedded PostgreSQL does not start.
    """
    folder = StackFolder.temporary()
    postgres = EmbeddedPostgres(folder.path / "postgres", folder.path / "postgres.log", durable=False)
    folder.lock()
    try:
        postgres.start()
        restore(backup, postgres.url)
        yield postgres.url
    finally:
        postgres.stop()
        folder.release()
