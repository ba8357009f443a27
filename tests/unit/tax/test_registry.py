from dataclasses import dataclass
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from perennial.config import Settings, SettingsError, load_settings
from perennial.domain.tax import Sale, TaxRate
from perennial.tax import registry
from perennial.tax.table import TableTaxCalculator


@dataclass(frozen=True)
class Wanted:
    tax_calculator: str = "table"


class Theirs:
    def rates(self, sale: Sale) -> tuple[TaxRate, ...]:
        return ()


def test_the_table_is_the_default() -> None:
    assert isinstance(registry.build_tax_calculator(Settings(_env_file=None)), TableTaxCalculator)


def test_an_unknown_calculator_is_named_with_those_that_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(registry.UnknownTaxCalculator, match="no tax calculator 'abacus'; known: table"):
        registry.build_tax_calculator(Wanted("abacus"))
    monkeypatch.setenv("PERENNIAL_TAX_CALCULATOR", "abacus")
    with pytest.raises(SettingsError, match="PERENNIAL_TAX_CALCULATOR: must be one of: table"):
        load_settings()


def test_a_third_party_registers_by_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = Theirs()
    point = EntryPoint("theirs", "their.module:make", registry.ENTRY_POINTS)
    monkeypatch.setattr(EntryPoint, "load", lambda _: lambda settings: theirs)
    monkeypatch.setattr(registry, "entry_points", lambda **asked: EntryPoints([point]).select(**asked))
    assert registry.build_tax_calculator(Wanted("theirs")) is theirs
    assert registry.calculator_names() == ("table", "theirs")
