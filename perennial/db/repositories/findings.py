"""Findings of the reconciler: one row for each discrepancy, however often it is found."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, case, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from perennial.db.models import Finding, Tour
from perennial.db.tables import table_of
from perennial.domain import keys

_findings, _tours = table_of(Finding), table_of(Tour)
_NEW = upsert(_findings)
_WAS_OPEN = _findings.c.resolved_at.is_(None)
_RECORD = _NEW.on_conflict_do_update(
    index_elements=[_findings.c.key],
    set_={
        "detail": _NEW.excluded.detail,
        # What had been resolved begins anew.
        "first_seen": case((_WAS_OPEN, _findings.c.first_seen), else_=_NEW.excluded.first_seen),
        "repaired_at": case((_WAS_OPEN, _findings.c.repaired_at)),
        "repair": case((_WAS_OPEN, _findings.c.repair)),
        "last_seen": func.greatest(_findings.c.last_seen, _NEW.excluded.last_seen),
        "resolved_at": None,
    },
)
_RESOLVE = (
    update(_findings)
    .where(
        _findings.c.source == bindparam("of"),
        _findings.c.resolved_at.is_(None),
        _findings.c.last_seen < bindparam("since"),
    )
    .values(resolved_at=bindparam("now"))
)
_ABANDON = update(_findings).where(
    _findings.c.resolved_at.is_(None), _findings.c.source.not_in(bindparam("known", expanding=True))
)
_ONE = update(_findings).where(_findings.c.key == bindparam("named"))


@dataclass(frozen=True, slots=True)
class Found:
    """What is wrong with what: `kind` is a word, `subject` an id or a business key, `detail` a sentence."""

    kind: str
    subject: str
    detail: str


def record(session: Session, source: str, found: Sequence[Found], at: datetime) -> None:
    """Write down what was found by a tour that began `at` (machine time). What was resolved begins anew."""
    merged: dict[str, Found] = {}
    for one in found:
        key = _key(source, one)
        before = merged.get(key)
        # Two sentences about one subject are one finding.
        merged[key] = Found(one.kind, one.subject, f"{before.detail}; {one.detail}") if before else one
    if not merged:
        return
    session.execute(
        _RECORD,
        [
            {
                "id": keys.document_id("fnd", key),
                "key": key,
                "source": source,
                "kind": one.kind,
                "subject": one.subject,
                "detail": one.detail,
                "first_seen": at,
                "last_seen": at,
            }
            for key, one in sorted(merged.items())
        ],
    )


def resolve(session: Session, source: str, since: datetime, now: datetime) -> int:
    """What the tour that began at `since` has not found any more is resolved; how many."""
    done: int = session.execute(_RESOLVE, {"of": source, "since": since, "now": now}).rowcount  # type: ignore[attr-defined]  # of an UPDATE
    return done


def abandon(session: Session, sources: Sequence[str], now: datetime) -> None:
    """Nobody looks any more for what others than these sources found."""
    session.execute(_ABANDON.values(resolved_at=now), {"known": list(sources)})


def repaired(session: Session, source: str, one: Found, words: str, at: datetime) -> None:
    """What was done about it, by itself."""
    session.execute(_ONE.values(repair=words, repaired_at=at), {"named": _key(source, one)})


def gone(session: Session, source: str, found: Sequence[Found], now: datetime) -> None:
    """They were mended, and are not found any more."""
    for one in found:
        session.execute(_ONE.values(resolved_at=now), {"named": _key(source, one)})


def opened_by(session: Session, began_at: datetime) -> list[Finding]:
    """What the tour that began then was the first to find, and what is still open of it."""
    chosen = select(Finding).where(Finding.resolved_at.is_(None), Finding.first_seen == began_at)
    return list(session.scalars(chosen.order_by(Finding.source, Finding.subject)))


def tour_ended(session: Session, name: str, began_at: datetime, ended_at: datetime) -> None:
    session.execute(delete(_tours).where(_tours.c.name == name))
    session.execute(_tours.insert(), {"name": name, "began_at": began_at, "ended_at": ended_at})


def _key(source: str, one: Found) -> str:
    return f"finding:{source}:{one.kind}:{one.subject}"
