"""What checks have found, told to those who watch: the log, Slack. Gauges are read from the database (`gauges`)."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence

import structlog

from perennial.checks.result import SHOWN, CheckResult
from perennial.config import Settings
from perennial.contracts.reconciliation import Place
from perennial.db.models import Finding as Row
from perennial.db.repositories import findings
from perennial.engine.context import Engine
from perennial.observability.slack import tell

# Lines of one message: who wants all asks `perennial check`.
_SHOWN = 10
_log = structlog.get_logger(__name__)


def announce(settings: Settings, results: Sequence[CheckResult]) -> None:
    """What is wrong, to the log and to Slack. Subjects are ids and business keys.

    Who cannot be told does not stop the caller.
    """
    wrong = [result for result in results if not result.ok]
    for result in wrong:
        subjects = [finding.subject for finding in result.findings]
        _log.error("check_found_wrong", check=result.name, seen=result.detail, subjects=subjects)
    if wrong:
        tell(settings, f"perennial check: {len(wrong)} of {len(results)} do not hold", list(_lines(wrong)))


async def announce_opened(engine: Engine, place: Place) -> None:
    """What the tour that ends here was the first to find; what is open for longer has been told, and is a gauge."""
    assert place.began_at is not None
    began = place.began_at
    opened = await engine.read(lambda session: findings.opened_by(session, began))
    if not opened:
        return
    subjects: dict[str, list[str]] = defaultdict(list)
    for one in opened:
        subjects[one.source].append(one.subject)
    for source, named in subjects.items():
        _log.error("check_found_wrong", check=source, seen=f"{len(named)} new findings", subjects=named[:SHOWN])
    lines = _shortened([_line(one) for one in opened])
    await asyncio.to_thread(tell, engine.settings, f"perennial {place.tour.value}: {len(opened)} new findings", lines)


def _line(one: Row) -> str:
    return f"{one.source}: {one.kind}: {one.subject}: {one.detail}" + (f" ({one.repair})" if one.repair else "")


def _lines(wrong: Sequence[CheckResult]) -> list[str]:
    lines = [f"{result.name}: {one.subject}: {one.problem}" for result in wrong for one in result.findings]
    lines = lines or [f"{result.name}: {result.detail}" for result in wrong]
    return _shortened(lines)


def _shortened(lines: list[str]) -> list[str]:
    more = len(lines) - _SHOWN
    return [*lines[:_SHOWN], f"and {more} more"] if more > 0 else lines
