"""Alembic's entry. The URL comes from the caller (`perennial migrate`), so there is one place that knows settings."""

from alembic import context
from sqlalchemy import create_engine, text

from perennial.db.models import Base

# A migration that waits for a lock blocks everybody behind it: it had better fail and be tried again.
LOCK_TIMEOUT = "5s"
STATEMENT_TIMEOUT = "60s"


def include_name(name: str | None, type_: str, _parents: object) -> bool:
    """Schemas of other systems (the simulator's) are not ours to migrate."""
    return type_ != "schema" or name in (None, "public")


def run() -> None:
    url = context.config.get_main_option("sqlalchemy.url")
    if url is None:
        msg = "run migrations with `perennial migrate`"
        raise RuntimeError(msg)
    engine = create_engine(url)
    with engine.connect() as connection:
        connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
        connection.execute(text(f"SET statement_timeout = '{STATEMENT_TIMEOUT}'"))
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            include_name=include_name,
            compare_server_default=True,
        )
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


run()
