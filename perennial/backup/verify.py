"""Whether a backup would save us: restored on the side, compared, and its books looked at."""

import asyncio
from collections.abc import Sequence

from perennial.backup.manifest import Backup
from perennial.backup.restore import rehearsed
from perennial.checks import CheckResult, run_checks
from perennial.config import Environment, Settings
from perennial.engine.context import open_engine

# What can be held against a database alone: no workflow, no gateway, no clock has a say.
BOOKS = (
    "books_balance",
    "credit_equals_ledger",
    "receivable_equals_open_invoices",
    "refunds_payable_equals_pending",
    "tax_payable_equals_documents",
    "deferred_equals_schedule",
    "invoices_add_up",
    "numbers_have_no_gap",
    "spans_tile",
    "periods_are_billed_once",
    "usage_is_billed_once",
)
# Nobody listens there, and nobody is asked: the engine wants an address.
_NOWHERE = "127.0.0.1:1"


def verify(backup: Backup, names: Sequence[str] = BOOKS) -> list[CheckResult]:
    """Restore it into a throw-away database and check the books there.

    Raises:
        BackupFailed: it is cut off or altered, or what was restored differs from its manifest.
        StackError: the embedded PostgreSQL does not start.
    """
    with rehearsed(backup) as url:
        return asyncio.run(_look(url, names))


async def _look(url: str, names: Sequence[str]) -> list[CheckResult]:
    settings = Settings(
        _env_file=None, environment=Environment.TEST, database_url=url, temporal_address=_NOWHERE, gateway="simulator"
    )
    engine = await open_engine(settings)
    try:
        return await run_checks(engine, names)
    finally:
        engine.close()
