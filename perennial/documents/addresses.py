"""Seller and buyer as they are addressed in their own country."""

from perennial.documents.document import Party
from perennial.documents.formats import Formats
from perennial.documents.shown import Who
from perennial.documents.wording import Wording, printable

# Where people write "Springfield, IL 62704", and where the town comes before the code.
_REGION_AND_CODE_LAST = frozenset({"US", "CA", "AU", "MX"})
_CODE_LAST = frozenset({"GB", "IE", "IN", "NZ", "SG", "HK", "ZA"})


def who(label: str, party: Party, fmt: Formats, words: Wording) -> Who:
    lines = [party.name if party.company else None, party.address_line1, party.address_line2, *_town(party)]
    lines.append(fmt.country(party.country) if party.country else None)
    lines.append(party.email)
    if party.vat_number:
        lines.append(f"{words('vat_number')} {party.vat_number}")
    shown = tuple(text for line in lines if line and (text := printable(line)))
    return Who(label, printable(party.legal_name), shown)


def _town(party: Party) -> tuple[str | None, ...]:
    code, city, region = party.postal_code or "", party.city or "", party.region or ""
    if party.country in _REGION_AND_CODE_LAST:
        return (", ".join(part for part in (city, f"{region} {code}".strip()) if part),)
    if party.country in _CODE_LAST:
        return (f"{city} {code}".strip(), region)
    return (f"{code} {city}".strip(),)
