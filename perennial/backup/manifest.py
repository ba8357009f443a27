"""What a backup says of itself: enough to know, before anything is written, that it is whole and what is in it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from perennial.backup.programs import BackupFailed

FORMAT = 1
DUMP, MANIFEST = "database.dump", "manifest.json"
NAME = "perennial-{at:%Y%m%dT%H%M%SZ}"
_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Table:
    """`checksum` is the sum of a hash of each row: the same rows in any order give the same."""

    rows: int
    checksum: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """`taken_at` (UTC) is the instant of the snapshot: nothing later is in the backup, everything earlier is.

    `bytes` and `sha256` are of the dump, `tables` (schema.table) of the database in that snapshot.
    """

    taken_at: datetime
    perennial: str
    server_version: int
    revision: str
    bytes: int
    sha256: str
    tables: Mapping[str, Table]
    format: int = FORMAT

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables.values())


@dataclass(frozen=True, slots=True)
class Backup:
    """A finished backup: a folder with the dump and its manifest."""

    folder: Path
    manifest: Manifest

    @property
    def dump(self) -> Path:
        return self.folder / DUMP


def write(folder: Path, manifest: Manifest) -> None:
    text = asdict(manifest) | {"taken_at": manifest.taken_at.isoformat()}
    (folder / MANIFEST).write_text(json.dumps(text, indent=2) + "\n")


def find(path: Path) -> Backup:
    """The backup at `path`: its folder, its dump, or a folder of backups, of which the newest is meant.

    Raises:
        BackupFailed: there is none, or its manifest cannot be read.
    """
    folder = path if path.is_dir() else path.parent
    if path.is_dir() and not (path / MANIFEST).exists():
        folder = max(finished(path), default=path, key=lambda one: one.name)
    if not path.exists() or not (folder / MANIFEST).exists():
        raise BackupFailed(
            f"{path} is no backup of `perennial backup`: a folder with {DUMP} and {MANIFEST}. "
            "What other programs have dumped is restored with theirs"
        )
    return Backup(folder, read(folder / MANIFEST))


def finished(folder: Path) -> list[Path]:
    """The backups in a folder of them."""
    return [one for one in folder.glob("perennial-*") if one.suffix != ".partial" and (one / MANIFEST).exists()]


def read(path: Path) -> Manifest:
    """Raises BackupFailed when it is not one that this version can read."""
    try:
        text = json.loads(path.read_text())
        if text["format"] != FORMAT:
            raise BackupFailed(f"{path} has format {text['format']}; this version of Perennial reads format {FORMAT}")
        tables = {name: Table(**table) for name, table in text["tables"].items()}
        return Manifest(**text | {"taken_at": datetime.fromisoformat(text["taken_at"]), "tables": tables})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackupFailed(f"{path} cannot be read: {error}") from error


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            found.update(chunk)
    return found.hexdigest()


def require_whole(backup: Backup) -> None:
    """Raises BackupFailed unless the dump is, byte by byte, what was written."""
    if not backup.dump.exists():
        raise BackupFailed(f"{backup.dump} is missing")
    size = backup.dump.stat().st_size
    if size != backup.manifest.bytes:
        raise BackupFailed(
            f"{backup.dump} has {size} bytes, it had {backup.manifest.bytes}: it is cut off or altered. "
            "Nothing was written. Take another backup"
        )
    if digest(backup.dump) != backup.manifest.sha256:
        raise BackupFailed(
            f"{backup.dump} is not what was written (its SHA-256 differs). Nothing was written. Take another backup"
        )
