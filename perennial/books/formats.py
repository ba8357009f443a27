"""In which forms the ledger can be handed over."""

from collections.abc import Callable, Iterator
from datetime import datetime
from enum import StrEnum

from sqlalchemy.orm import Session

from perennial.books import beancount, tables


class LedgerFormat(StrEnum):
    BEANCOUNT = "beancount"
    CSV = "csv"
    JSON = "json"

    @property
    def write(self) -> Callable[[Session, datetime | None], Iterator[str]]:
        """Lines, without their ends."""
        return _WRITERS[self]


_WRITERS: dict[LedgerFormat, Callable[[Session, datetime | None], Iterator[str]]] = {
    LedgerFormat.BEANCOUNT: beancount.write,
    LedgerFormat.CSV: tables.write_csv,
    LedgerFormat.JSON: tables.write_json,
}
