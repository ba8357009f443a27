"""Numbers as people write them, and numbers that cannot be right. The good ones are published by their owners."""

import pytest

from perennial.domain.errors import InvalidInput
from perennial.domain.taxation import country_of_number
from perennial.tax.vat import can_be_checked, check_vat_number

GOOD = [
    ("FR40303265045", "FR", "FR40303265045"),
    ("fr 40 303 265 045", "FR", "FR40303265045"),
    ("40.303.265.045", "FR", "FR40303265045"),
    ("DE 136 695 976", "DE", "DE136695976"),
    ("EL094259216", "GR", "EL094259216"),
    ("GR 094259216", "GR", "EL094259216"),
    ("094259216", "GR", "EL094259216"),
    ("u13585627", "AT", "ATU13585627"),
    ("B58378431", "ES", "ESB58378431"),
    ("NL4495445B01", "NL", "NL4495445B01"),
    ("IE6433435F", "IE", "IE6433435F"),
    ("GB 980 7806 84", "GB", "GB980780684"),
    ("XI980780684", "GB", "XI980780684"),
    ("CHE-107.787.577 MWST", "CH", "CHE107787577MWST"),
    ("NO 995 525 828 MVA", "NO", "NO995525828MVA"),
    ("FR40303265045", "MC", "FR40303265045"),
]
BAD = [
    ("DE136695970", "DE", "is no VAT number of DE"),  # a wrong check digit
    ("DE13669597", "DE", "is no VAT number of DE"),  # too short
    ("DE136,695976", "DE", "is no VAT number of DE"),
    ("DE１３６６９５９７６", "DE", "is no VAT number of DE"),  # noqa: RUF001 - other digits than ours
    ("", "DE", "is no VAT number of DE"),
    ("NO995525828", "NO", "is no VAT number of NO"),  # not in the VAT register
    ("DE136695976", "FR", "is a VAT number of DE, and the address is in FR"),
    ("XI980780684", "FR", "is a VAT number of GB, and the address is in FR"),
    ("98-7654321", "US", "VAT numbers of US cannot be checked"),
]


@pytest.mark.parametrize(("written", "country", "kept"), GOOD)
def test_good_numbers_are_kept_in_one_form(written: str, country: str, kept: str) -> None:
    assert check_vat_number(written, country) == kept
    assert check_vat_number(kept, country) == kept


@pytest.mark.parametrize(("written", "country", "why"), BAD)
def test_bad_numbers_say_why(written: str, country: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=why) as refused:
        check_vat_number(written, country)
    assert refused.value.field == "vat_number"


def test_what_can_be_checked() -> None:
    assert [can_be_checked(country) for country in ("DE", "GB", "CH", "NO", "MC", "US", "AU")] == [True] * 5 + [
        False
    ] * 2
    assert [country_of_number(number) for number in ("EL094259216", "XI980780684", "FR40303265045")] == [
        "GR",
        "GB",
        "FR",
    ]
