"""The default tax calculator: packaged, dated rates and the rules of `perennial.domain.taxation`."""

import json
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from importlib.resources import files
from itertools import pairwise
from typing import Any

from perennial.domain.tax import DatedRate, Sale, TaxRate
from perennial.domain.taxation import Judgement, judge, place_of


class TableTaxCalculator:
    """Standard rates by country and region. It waits for nothing, and it is asked at every renewal."""

    def __init__(self, rates: Iterable[DatedRate] | None = None) -> None:
        """`rates` are the packaged ones unless others are given."""
        self._by_country: dict[str, tuple[DatedRate, ...]] = {}
        for rate in packaged_rates() if rates is None else rates:
            self._by_country[rate.country] = (*self._by_country.get(rate.country, ()), rate)

    def rates(self, sale: Sale) -> tuple[TaxRate, ...]:
        return self.explain(sale).taxes

    def explain(self, sale: Sale) -> Judgement:
        """The taxes of this sale, and by which rule."""
        here, there = self._known(sale.seller.country), self._known(sale.customer.country)
        return judge(sale, (*here, *(rate for rate in there if rate not in here)))

    def on(self, day: date) -> tuple[DatedRate, ...]:
        """All rates that hold on that day."""
        return tuple(rate for rates in self._by_country.values() for rate in rates if rate.holds(day))

    def _known(self, country: str | None) -> Sequence[DatedRate]:
        return self._by_country.get(place_of(country).country, ()) if country else ()


def packaged_rates() -> tuple[DatedRate, ...]:
    """What stands in `rates.json`. Each rate holds until the next one of its series."""
    series = json.loads(files("perennial.tax").joinpath("rates.json").read_text())
    return tuple(rate for each in series for rate in _dated(each))


def _dated(series: dict[str, Any]) -> Iterable[DatedRate]:
    for (since, percent), (until, _) in pairwise([*series["rates"], (None, None)]):
        yield DatedRate(
            country=series["country"],
            region=series.get("region"),
            name=series["name"],
            percent=Decimal(percent),
            valid_from=date.fromisoformat(since),
            valid_to=date.fromisoformat(until) if until else None,
            source=series["source"],
            combined=series.get("combined", False),
        )
