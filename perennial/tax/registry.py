"""Which tax calculators there are, and how one is made.

Third parties add theirs without touching this file: an entry point of the group `perennial.tax` whose name is the
calculator's and whose object is a factory as below.
"""

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import ClassVar, Protocol

from perennial.domain.errors import PerennialError
from perennial.ports import TaxCalculator
from perennial.tax.table import TableTaxCalculator

ENTRY_POINTS = "perennial.tax"


class TaxSettings(Protocol):
    """What calculators read of the settings of a process."""

    @property
    def tax_calculator(self) -> str: ...


TaxCalculatorFactory = Callable[[TaxSettings], TaxCalculator]


class UnknownTaxCalculator(PerennialError):
    """No calculator of that name is built in or installed."""

    code: ClassVar[str] = "unknown_tax_calculator"


def build_tax_calculator(settings: TaxSettings) -> TaxCalculator:
    """The calculator that the settings name. Raises UnknownTaxCalculator."""
    factory = _BUILT_IN.get(settings.tax_calculator) or _installed(settings.tax_calculator)
    return factory(settings)


def calculator_names() -> tuple[str, ...]:
    """Every name that `build_tax_calculator` knows, built in ones first."""
    return (*_BUILT_IN, *sorted(point.name for point in entry_points(group=ENTRY_POINTS)))


def _table(_settings: TaxSettings) -> TaxCalculator:
    return TableTaxCalculator()


def _installed(name: str) -> TaxCalculatorFactory:
    for point in entry_points(group=ENTRY_POINTS, name=name):
        factory: TaxCalculatorFactory = point.load()
        return factory
    raise UnknownTaxCalculator(f"no tax calculator {name!r}; known: {', '.join(calculator_names())}")


_BUILT_IN: dict[str, TaxCalculatorFactory] = {"table": _table}
