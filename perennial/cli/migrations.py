"""Alembic, driven by `perennial migrate`: there is no alembic.ini, for settings have one place."""

import io
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError

import perennial.db
from perennial.stack.folder import StackFolder
from perennial.stack.postgres import EmbeddedPostgres

SCRIPTS = Path(perennial.db.__file__).parent / "migrations"


def configuration(url: str) -> Config:
    config = Config(stdout=io.StringIO())
    config.set_main_option("script_location", str(SCRIPTS))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def upgrade(url: str) -> str:
    """Runs what is missing; answers the revision that the database then has."""
    config = configuration(url)
    command.upgrade(config, "head")
    return ScriptDirectory.from_config(config).get_current_head() or "none"


def head() -> str:
    """The newest revision that this code knows."""
    return ScriptDirectory(str(SCRIPTS)).get_current_head() or "none"


def in_step() -> list[str]:
    """What a migration would have to add for the models, found on a throw-away PostgreSQL. Empty when in step."""
    folder = StackFolder.temporary()
    postgres = EmbeddedPostgres(folder.path / "postgres", folder.path / "postgres.log", durable=False)
    folder.lock()
    try:
        postgres.start()
        config = configuration(postgres.url)
        command.upgrade(config, "head")
        command.check(config)
    except CommandError as error:
        return [str(error)]
    finally:
        postgres.stop()
        folder.release()
    return []
