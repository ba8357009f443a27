"""PostgreSQL's own programs: those of the embedded server, or the system's where it is not installed."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import make_url

from perennial.domain.errors import PerennialError
from perennial.stack.postgres import programs
from perennial.stack.process import StackError


class BackupFailed(PerennialError):
    """A program of PostgreSQL has refused, or a backup is not what it should be; the text is for people."""

    code = "backup_failed"


def find(name: str) -> Path:
    """`pg_dump`, `pg_restore`: the newest there is, for a dump cannot be made by an older program than the server.

    Raises:
        BackupFailed: it is not installed.
    """
    try:
        embedded = programs() / name
    except StackError:
        embedded = None
    if embedded is not None and embedded.exists():
        return embedded
    if found := shutil.which(name):
        return Path(found)
    raise BackupFailed(f"{name} is not installed: install PostgreSQL's client programs (Debian: postgresql-client)")


def run(name: str, url: str, arguments: Sequence[str]) -> str:
    """Run it on the database of `url`; what it said on its standard output.

    Raises:
        BackupFailed: with the program's own words.
    """
    done = subprocess.run(  # noqa: S603 (PostgreSQL's programs, arguments of ours)
        [str(find(name)), "--no-password", *arguments],
        env=_environment(url),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        words = done.stderr.strip().splitlines()
        raise BackupFailed(f"{name} failed: {words[0] if words else f'exit code {done.returncode}'}")
    return done.stdout


def _environment(url: str) -> dict[str, str]:
    """The address by variables: a password on a command line can be read by everybody on the machine."""
    parsed = make_url(url)
    known = {
        "PGHOST": str(parsed.query.get("host", parsed.host or "")),
        "PGPORT": str(parsed.port or ""),
        "PGUSER": parsed.username or "",
        "PGPASSWORD": parsed.password or "",
        "PGDATABASE": parsed.database or "",
        "PGSSLMODE": str(parsed.query.get("sslmode", "")),
        "PGSSLROOTCERT": str(parsed.query.get("sslrootcert", "")),
        "PGAPPNAME": "perennial-backup",
        "PGTZ": "UTC",
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return inherited | {name: value for name, value in known.items() if value}
