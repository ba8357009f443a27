"""Tables for statements that are built once, when a module is loaded.

A renewal is a dozen and a half statements. Built anew each time through the ORM they cost the worker more than Temporal
does; as constants over plain tables, with their values as parameters, they are compiled once (docs/performance.md).
"""

from sqlalchemy import Table

from perennial.db.models.base import Base


def table_of(model: type[Base]) -> Table:
    table = model.__table__
    assert isinstance(table, Table), model
    return table
