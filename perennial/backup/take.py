"""Taking a backup: one snapshot, dumped and counted."""

import os
import shutil
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from perennial.backup import database, manifest
from perennial.backup.manifest import DUMP, NAME, Backup, Manifest
from perennial.backup.programs import BackupFailed, run

PARTIAL = ".partial"


def take(url: str, folder: Path) -> Backup:
    """A backup of the database at `url` in a new folder below `folder`; others go on working meanwhile.

    Raises:
        BackupFailed: pg_dump failed, there is nothing to back up, or the folder cannot be written.
        OperationalError: the database does not answer.
    """
    engine = database.connect(url)
    try:
        with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
            snapshot = database.snapshot(connection)
            revision = database.revision(connection)
            if revision is None:
                raise BackupFailed("the database has no tables of Perennial: run `perennial migrate` first")
            draft = _draft(folder, snapshot.taken_at)
            try:
                dump = draft / DUMP
                run("pg_dump", url, ["--format=custom", f"--snapshot={snapshot.id}", f"--file={dump}"])
                made = Manifest(
                    taken_at=snapshot.taken_at,
                    perennial=version("perennial"),
                    server_version=database.server_version(connection),
                    revision=revision,
                    bytes=dump.stat().st_size,
                    sha256=manifest.digest(dump),
                    tables=database.tables(connection),
                )
                manifest.write(draft, made)
                return Backup(_finish(draft), made)
            except BaseException:
                shutil.rmtree(draft, ignore_errors=True)
                raise
    finally:
        engine.dispose()


def forget(folder: Path, keep: int) -> list[Path]:
    """Remove all but the newest `keep` backups in a folder; those that are gone."""
    old = sorted(manifest.finished(folder), key=lambda one: one.name)[: -keep or None]
    for one in old:
        shutil.rmtree(one)
    return old


def _draft(folder: Path, at: datetime) -> Path:
    """For our eyes alone: a backup holds names, addresses and tokens."""
    draft = folder / (NAME.format(at=at) + PARTIAL)
    if draft.with_suffix("").exists():
        raise BackupFailed(f"{draft.with_suffix('')} is there already, taken in this very second")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        draft.mkdir(mode=0o700)
    except OSError as error:
        raise BackupFailed(f"{draft} cannot be made: {error.strerror}") from error
    return draft


def _finish(draft: Path) -> Path:
    """On the disk before it has its name: what has a backup's name is one, whatever happens to the machine."""
    for file in draft.iterdir():
        file.chmod(0o600)
        with file.open("rb") as written:
            os.fsync(written.fileno())
    return draft.rename(draft.with_suffix(""))
