"""Backups of a database that has lived: whole, verified, restored; and what is refused."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, make_url, text

from perennial.backup import database, manifest
from perennial.backup.programs import BackupFailed
from perennial.backup.restore import DatabaseInUse, NotTheSame, restore
from perennial.backup.take import forget, take
from perennial.backup.verify import verify
from perennial.checks.result import CheckResult
from perennial.cli.main import run
from perennial.engine.context import Engine
from perennial.observability.gauges import BackupAge
from perennial.stack import Stack
from tests.integration.world import World

pytestmark = pytest.mark.long


def url_of(engine: Engine) -> str:
    return engine.db.url.render_as_string(hide_password=False)


@contextmanager
def new_database(server: str) -> Iterator[str]:
    """The URL of a database that is not there yet, and is dropped afterwards."""
    name = f"restored_{uuid4().hex}"
    yield make_url(server).set(database=name).render_as_string(hide_password=False)
    admin = create_engine(make_url(server).set(database="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
    admin.dispose()


def counted(url: str) -> dict[str, manifest.Table]:
    engine = database.connect(url)
    with engine.connect() as connection:
        found = database.tables(connection)
    engine.dispose()
    return found


def test_a_restored_backup_is_the_same_row_by_row(copy: Engine, healthy: World, tmp_path: Path) -> None:
    before = counted(url_of(copy))
    made = take(url_of(copy), tmp_path)
    assert before == dict(made.manifest.tables)
    assert before["public.invoices"].rows > 30
    assert before["simulator.payments"].rows > 30

    with new_database(url_of(copy)) as target:
        restore(manifest.find(tmp_path), target)

        assert counted(target) == before
        engine = database.connect(target)
        # What guards the books came along: they cannot be changed there either.
        with engine.connect() as connection, pytest.raises(Exception, match="append-only"):
            connection.execute(text("DELETE FROM ledger_entries"))
        engine.dispose()


def test_what_is_written_during_the_dump_is_in_neither_the_dump_nor_its_manifest(
    copy: Engine, healthy: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting = database.tables

    def while_somebody_writes(connection: Any) -> Any:
        with copy.db.begin() as other:
            other.execute(text("INSERT INTO plans (code, created_at) VALUES ('late', now())"))
        return counting(connection)

    monkeypatch.setattr("perennial.backup.database.tables", while_somebody_writes)
    made = take(url_of(copy), tmp_path)
    monkeypatch.undo()

    with new_database(url_of(copy)) as target:
        restore(made, target)
        assert counted(target)["public.plans"] == made.manifest.tables["public.plans"]
    assert counted(url_of(copy))["public.plans"].rows == made.manifest.tables["public.plans"].rows + 1


def test_a_backup_is_verified_and_false_books_are_found(copy: Engine, healthy: World, tmp_path: Path) -> None:
    results = verify(take(url_of(copy), tmp_path / "sound"))
    assert [result.name for result in results if not result.ok] == []
    assert len(results) > 10

    with copy.db.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("UPDATE ledger_entries SET amount = amount + 1 WHERE account = 'receivable'"))
    results = verify(take(url_of(copy), tmp_path / "false"), ["books_balance", "invoices_add_up"])
    assert [result.ok for result in results] == [False, True]


def test_a_backup_is_not_for_everybody(copy: Engine, healthy: World, tmp_path: Path) -> None:
    made = take(url_of(copy), tmp_path)
    assert made.folder.stat().st_mode & 0o077 == 0
    assert all(file.stat().st_mode & 0o077 == 0 for file in made.folder.iterdir())


def _cut_off(file: Path) -> None:
    os.truncate(file, file.stat().st_size - 100)


def _altered(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.seek(file.stat().st_size // 2)
        byte = opened.read(1)
        opened.seek(-1, os.SEEK_CUR)
        opened.write(bytes([byte[0] ^ 1]))


def _gone(file: Path) -> None:
    file.unlink()


def _without_manifest(file: Path) -> None:
    (file.parent / manifest.MANIFEST).unlink()


def _of_tomorrow(file: Path) -> None:
    path = file.parent / manifest.MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 99}))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_cut_off, "cut off or altered"),
        (_altered, "SHA-256 differs"),
        (_gone, "is missing"),
        (_without_manifest, "is no backup of `perennial backup`"),
        (_of_tomorrow, "has format 99"),
    ],
)
def test_what_is_not_whole_is_refused_before_anything_is_written(
    spoil: Callable[[Path], None], words: str, copy: Engine, healthy: World, tmp_path: Path
) -> None:
    made = take(url_of(copy), tmp_path)
    spoil(made.dump)
    with new_database(url_of(copy)) as target:
        with pytest.raises(BackupFailed, match=words):
            restore(manifest.find(made.folder), target)
        engine = create_engine(target)
        with pytest.raises(Exception, match="does not exist"):
            engine.connect()
        engine.dispose()


def test_a_database_that_holds_something_or_is_worked_on_is_refused(
    copy: Engine, healthy: World, tmp_path: Path
) -> None:
    made = take(url_of(copy), tmp_path)
    copy.db.dispose()
    with pytest.raises(DatabaseInUse, match=r"is not empty.*--into .*_restored"):
        restore(made, url_of(copy))
    with copy.db.connect(), pytest.raises(DatabaseInUse, match=r"1 connections of running API.*Stop them"):
        restore(made, url_of(copy))


def test_rows_that_differ_from_the_manifest_are_named(copy: Engine, healthy: World, tmp_path: Path) -> None:
    made = take(url_of(copy), tmp_path)
    path = made.folder / manifest.MANIFEST
    about = json.loads(path.read_text())
    about["tables"]["public.plans"]["rows"] += 1
    path.write_text(json.dumps(about))
    with new_database(url_of(copy)) as target, pytest.raises(NotTheSame, match=r"public.plans: \d+ rows, there were"):
        restore(manifest.find(made.folder), target)


def test_old_backups_are_removed_and_the_age_is_told(copy: Engine, healthy: World, tmp_path: Path) -> None:
    (tmp_path / "perennial-20200101T000000Z.partial").mkdir()
    assert list(BackupAge(tmp_path).collect()) == []
    for day in (1, 2, 3):
        old = tmp_path / f"perennial-2020010{day}T000000Z"
        old.mkdir()
        (old / manifest.MANIFEST).write_text("{}")
        os.utime(old, (0, 0))
    made = take(url_of(copy), tmp_path)
    assert [one.name for one in forget(tmp_path, 2)] == ["perennial-20200101T000000Z", "perennial-20200102T000000Z"]
    (family,) = BackupAge(tmp_path).collect()
    assert family.samples[0].value == made.folder.stat().st_mtime


def _older(folder: str) -> Path:
    older = Path(folder, "perennial-20200101T000000Z")
    older.mkdir(parents=True)
    (older / manifest.MANIFEST).write_text("{}")
    return older


def test_the_command_line(
    copy: Engine,
    healthy: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PERENNIAL_DATABASE_URL", url_of(copy))
    monkeypatch.delenv("PERENNIAL_BACKUP_DIR", raising=False)
    monkeypatch.chdir(tmp_path)

    def said(*arguments: str) -> tuple[int, str, str]:
        code = run(arguments)
        told = capsys.readouterr()
        return code, told.out, told.err

    code, _, err = said("backup")
    assert (code, err) == (2, "where to? Name a folder with --to or PERENNIAL_BACKUP_DIR\n")
    older = _older("backups")
    code, out, _ = said("backup", "--to", "backups", "--verify", "--keep", "1", "--json")
    made = json.loads(out)
    assert (code, made["verified"], made["removed"]) == (0, True, [str(older)])
    assert made["rows"] == sum(table["rows"] for table in made["tables"].values())

    older = _older("doubtful")
    with monkeypatch.context() as broken:
        wrong = CheckResult("books_balance", ok=False, detail="they do not")
        broken.setattr("perennial.backup.verify.verify", lambda _made: [wrong])
        code, out, _ = said("backup", "--to", "doubtful", "--verify", "--keep", "1", "--json")
    assert (code, json.loads(out)["verified"], json.loads(out)["removed"]) == (1, False, [])
    assert older.exists(), "a backup that is worth nothing takes no older one away"

    code, _, err = said("restore", "nowhere")
    assert (code, err.startswith("backup_failed: nowhere is no backup")) == (1, True)
    copy.db.dispose()
    code, _, err = said("restore", "backups")
    assert (code, err.startswith("database_in_use: the database")) == (1, True)
    code, _, err = said("restore", "backups", "--into", "oracle://db")
    assert (code, "must begin with postgresql://" in err) == (2, True)
    with new_database(url_of(copy)) as target:
        code, out, _ = said("restore", "backups", "--into", target)
        assert (code, "the same as it was" in out) == (0, True)
    code, out, _ = said("backup", "--only-verify", made["path"])
    assert (code, "its books hold" in out) == (0, True)


def test_writing_to_a_replica_is_one_line(
    copy: Engine, healthy: World, own_stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with copy.db.begin() as connection:
        connection.execute(text(f"ALTER DATABASE {copy.db.url.database} SET default_transaction_read_only = on"))
    copy.db.dispose()
    monkeypatch.setenv("PERENNIAL_DATABASE_URL", url_of(copy))
    monkeypatch.setenv("PERENNIAL_TEMPORAL_ADDRESS", own_stack.temporal_address)

    assert run(["customers", "create", "--name", "Ada", "--email", "ada@example.com"]) == 1
    assert capsys.readouterr().err.startswith("the database is a replica, where reports can read and nothing can be")
    assert run(["report", "trial-balance"]) == 0
