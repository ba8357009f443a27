"""What the reconciler mends without asking.

None of its ways decides anything, so none moves money by itself:

* A workflow that is missing is started again from its row. The row is there only if the workflow was; whatever it had
  begun is found done under its key, and what fell due in the meantime is done once.
* A row that is missing, or says that what runs has ended, is written from the history; so are spans of service that are
  all missing.
* A gateway that has given back something else than we believe is asked for each refund of that charge; what it says of
  them is written down as if its webhook had come.

Everything else is only a finding.
"""

from collections.abc import Sequence

import structlog
from sqlalchemy.orm import Session
from temporalio.exceptions import TemporalError

from perennial.checks.charges import REFUND_DIFFERS
from perennial.checks.spans import NO_SPAN
from perennial.checks.workflows import NO_ROW, NO_WORKFLOW
from perennial.db.models import Subscription, SupportAction
from perennial.db.repositories import findings
from perennial.db.repositories.findings import Found
from perennial.domain.errors import CommandRefused, EngineUnavailable, NotFound, PerennialError
from perennial.engine import gifts, one_off, plan_migrations, refunds, runs
from perennial.engine.context import Engine
from perennial.support import batch_resets
from perennial.support.rebuild import rebuild

ACTOR = "reconciler"
_log = structlog.get_logger(__name__)


async def repair(engine: Engine, source: str, found: Sequence[Found]) -> bool:
    """Mend what may be mended; each repair is a line of the log, a word on the finding and an entry of the audit.

    Answers whether anything was.

    Raises:
        EngineUnavailable: PostgreSQL or Temporal is away.
    """
    mended = 0
    for one in found:
        try:
            done = await _mended(engine, source, one)
        except EngineUnavailable:
            raise
        except (PerennialError, TemporalError, ValueError) as error:
            # A row that cannot be read, for one: it stays a finding, and the tour goes on to the others.
            _log.warning("not_repaired", subscription_id=one.subject, code=type(error).__name__)
            continue
        if done is not None:
            await _write_down(engine, source, one, *done)
            mended += 1
    return mended > 0


async def _mended(engine: Engine, source: str, one: Found) -> tuple[str, str] | None:
    """The action, by the name that support has for it, and what it did; None when nothing was done."""
    if one.detail == NO_WORKFLOW and await _start_again(engine, one.subject):
        return "retry", "its workflow was started again from its row"
    if one.detail in (NO_ROW, NO_SPAN) and one.subject.startswith("sub_"):
        return await _written_again(engine, one)
    if one.kind == REFUND_DIFFERS and (news := await refunds.look_up(engine, source.partition(":")[2], one.subject)):
        return "retry", f"the gateway was asked: {news} of its refunds had ended otherwise"
    return None


async def _written_again(engine: Engine, one: Found) -> tuple[str, str] | None:
    try:
        rebuilt = await rebuild(engine, one.subject)
    except (NotFound, CommandRefused) as refusal:
        _log.warning("not_repaired", subscription_id=one.subject, code=refusal.code)
        return None
    if one.detail == NO_ROW:
        return "rebuild", f"its row was {rebuilt.row} from the history"
    return ("rebuild", f"{rebuilt.spans} spans were written from the history") if rebuilt.spans else None


async def _start_again(engine: Engine, subject: str) -> bool:
    """False when its row does not live any more. One that runs is left alone."""
    row = await engine.read(lambda session: session.get(Subscription, subject))
    if row is None:
        others = (gifts.repair, one_off.repair, plan_migrations.repair, batch_resets.repair)
        return any([await other(engine, subject) for other in others])
    if row.ended_at is not None:
        return False
    await runs.repair(engine, row)
    return True


async def _write_down(engine: Engine, source: str, one: Found, action: str, did: str) -> None:
    now = engine.clock()

    def write(session: Session) -> None:
        findings.repaired(session, source, one, did, now)
        session.add(
            SupportAction(
                at=now,
                actor=ACTOR,
                action=action,
                subject=one.subject,
                reason=f"{source}: {one.detail}",
                outcome=did,
                finished_at=now,
            )
        )

    await engine.write(write)
    _log.warning("repaired", check=source, subscription_id=one.subject, action=action, did=did)
