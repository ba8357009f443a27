"""Meters from outside. A meter never changes: another way of counting is another meter."""

from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from perennial.db.models import Meter
from perennial.db.repositories import usage
from perennial.domain import usage as core
from perennial.domain.errors import Conflict, NotFound
from perennial.engine.context import Engine


async def create(engine: Engine, terms: core.Meter) -> Meter:
    """The same one again is the one that there is.

    Raises:
        Conflict: there is another meter of that code.
    """

    def insert(session: Session) -> Meter:
        session.execute(
            upsert(Meter)
            .values(
                code=terms.code,
                name=terms.name,
                event=terms.event,
                aggregation=terms.aggregation.value,
                property=terms.property,
                filters=[
                    {"property": each.property, "comparison": each.comparison.value, "values": list(each.values)}
                    for each in terms.filters
                ],
                created_at=engine.clock(),
            )
            .on_conflict_do_nothing()
        )
        row = require(session, terms.code)
        if usage.meter_of(row) != terms:
            raise Conflict(terms.code, f"meter {terms.code!r} exists and counts otherwise")
        return row

    return await engine.write(insert)


async def get(engine: Engine, code: str) -> Meter:
    """Raises NotFound."""
    return await engine.read(lambda session: require(session, code))


async def archive(engine: Engine, code: str) -> Meter:
    """No new plan can use it; those that do go on counting. Raises NotFound."""

    def mark(session: Session) -> Meter:
        meter = require(session, code, lock=True)
        meter.archived_at = meter.archived_at or engine.clock()
        return meter

    return await engine.write(mark)


def require(session: Session, code: str, *, lock: bool = False) -> Meter:
    row = session.get(Meter, code, with_for_update=lock or None)
    if row is None:
        raise NotFound("meter", code)
    return row
