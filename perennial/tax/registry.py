"""Which tax calculator the engine uses."""

from perennial.config import Settings
from perennial.ports import TaxCalculator
from perennial.tax.table import TableTaxCalculator


def build_tax_calculator(settings: Settings) -> TaxCalculator:
    return TableTaxCalculator()
