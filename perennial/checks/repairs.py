"""What is mended without asking: a workflow that is missing is started again from its row.

That is safe because it decides nothing. The row is there only if the workflow was, whatever it had begun is found done
under its key, and what fell due in the meantime is done once. Everything else is only a finding.
"""

from collections.abc import Sequence
from datetime import datetime

import structlog
from sqlalchemy.orm import Session

from perennial.checks.workflows import NO_WORKFLOW
from perennial.db.models import Subscription, SupportAction
from perennial.db.repositories import findings
from perennial.db.repositories.findings import Found
from perennial.engine import gifts, one_off, plan_migrations, runs
from perennial.engine.context import Engine

ACTOR = "reconciler"
_STARTED = "its workflow was started again from its row"
_log = structlog.get_logger(__name__)


async def repair(engine: Engine, source: str, found: Sequence[Found]) -> None:
    """Mend what may be mended; each repair is a line of the log, a word on the finding and an entry of the audit.

    Raises:
        EngineUnavailable: PostgreSQL or Temporal is away.
    """
    for one in found:
        if one.detail == NO_WORKFLOW and await _start_again(engine, one.subject):
            _log.warning("repaired", check=source, subscription_id=one.subject, did=_STARTED)
            await engine.write(lambda session, one=one: _note(session, source, one, engine.clock()))  # type: ignore[misc]


async def _start_again(engine: Engine, subject: str) -> bool:
    """False when its row does not live any more. One that runs is left alone."""
    row = await engine.read(lambda session: session.get(Subscription, subject))
    if row is None:
        others = (gifts.repair, one_off.repair, plan_migrations.repair)
        return any([await other(engine, subject) for other in others])
    if row.ended_at is not None:
        return False
    await runs.repair(engine, row)
    return True


def _note(session: Session, source: str, one: Found, now: datetime) -> None:
    findings.repaired(session, source, one, _STARTED, now)
    session.add(
        SupportAction(
            at=now,
            actor=ACTOR,
            action="retry",
            subject=one.subject,
            reason=f"{source}: {one.detail}",
            outcome=_STARTED,
            finished_at=now,
        )
    )
