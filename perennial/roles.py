"""What API keys may do: who has one has a role, and by the keys of `PERENNIAL_SUPPORT_KEYS` a name too."""

import re
from dataclasses import dataclass, field
from enum import StrEnum

SHORTEST = 16
_NAMED = re.compile(r"([A-Za-z0-9._-]{1,40})=(\S+)")


class Role(StrEnum):
    """`admin`: everything. `support`: looks at everything, and does what support does, with a reason. `finance`: looks
    at everything but the desk of support.
    """

    ADMIN = "admin"
    SUPPORT = "support"
    FINANCE = "finance"


@dataclass(frozen=True, slots=True)
class NamedKey:
    """`name` is whose it is, for the record of what was done with it."""

    name: str
    key: str = field(repr=False)


def parse_named_keys(written: str) -> tuple[NamedKey, ...]:
    """`anna=key,ben=key`. Raises ValueError in words that repeat no key."""
    keys = tuple(_named(each.strip()) for each in written.split(",") if each.strip())
    if len({each.name for each in keys}) < len(keys):
        raise ValueError("has a name twice")
    return keys


def _named(written: str) -> NamedKey:
    found = _NAMED.fullmatch(written)
    if found is None:
        raise ValueError("must be NAME=KEY,NAME=KEY,... (names of letters, digits, dots, dashes)")
    if len(found[2]) < SHORTEST:
        raise ValueError(f"the key of {found[1]} must have at least {SHORTEST} characters")
    return NamedKey(found[1], found[2])
