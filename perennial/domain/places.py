"""Countries and their regions, by the codes of ISO 3166."""

import re

from perennial.domain.errors import InvalidInput

# ISO 3166-1 alpha-2, the 249 codes that are assigned.
_CODES = (
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY "
    "BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK "
    "FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR "
    "IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK "
    "ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM "
    "PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF "
    "TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW"
)
COUNTRIES = frozenset(_CODES.split(" "))
# Where a tax depends on the region, a code that does not exist would be a tax that is never found.
_UNITED_STATES = (
    "AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY "
    "NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY AS GU MP PR UM VI"
)
_CANADA = "AB BC MB NB NL NS NT NU ON PE QC SK YT"
_REGIONS = {"US": frozenset(_UNITED_STATES.split(" ")), "CA": frozenset(_CANADA.split(" "))}
_REGION = re.compile(r"[A-Z0-9]{1,3}")


def check_country(code: str, *, field: str = "country") -> str:
    """The code itself. Raises InvalidInput."""
    if code not in COUNTRIES:
        raise InvalidInput("is no country of ISO 3166-1 (two capital letters, as in AT)", field=field)
    return code


def check_region(country: str | None, region: str, *, field: str = "region") -> str:
    """A code of ISO 3166-2 without its country. Raises InvalidInput."""
    if country is None:
        raise InvalidInput("a region needs its country", field=field)
    known = _REGIONS.get(country)
    if not _REGION.fullmatch(region) or (known is not None and region not in known):
        raise InvalidInput(f"is no region of {country} (ISO 3166-2 without the country, as in BC)", field=field)
    return region
