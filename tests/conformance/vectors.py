"""Reads vector files and runs their cases."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.conformance.families.registry import FAMILIES
from tests.conformance.schema import ABOUT, Kind, Malformed, check

OURS = Path(__file__).parent / "vectors"
MORE = "PERENNIAL_VECTORS"
"""Names a folder with further files of the same formats."""


@dataclass(frozen=True)
class Case:
    family: str
    name: str
    data: dict[str, Any]


def folders() -> list[Path]:
    """Ours and the one that the environment names.

    Raises:
        FileNotFoundError: if a folder holds no vectors; to test nothing is no success.
    """
    found = [OURS, Path(os.environ[MORE])] if os.environ.get(MORE) else [OURS]
    for folder in found:
        if not any(folder.glob("*.json")):
            raise FileNotFoundError(f"no vectors in {folder}")
    return found


def cases(folder: Path) -> Iterator[Case]:
    for path in sorted(folder.glob("*.json")):
        prefix = "" if folder == OURS else f"{folder.name}/{path.stem}/"
        # floats become Decimals, which no field accepts: amounts are integers or strings
        content = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
        check(content, {"family": str, "version": int, "cases": [dict]}, path.name)
        if content["version"] != 1:
            raise Malformed(f"{path.name} has version {content['version']}")
        if not content["cases"]:
            raise Malformed(f"{path.name} has no cases")
        for n, data in enumerate(content["cases"]):
            yield Case(content["family"], f"{prefix}{data.get('id', f'{path.name}[{n}]')}", data)


def run(case: Case) -> tuple[Any, Any]:
    """What the engine answers, and what the case expects.

    Raises:
        Malformed: for an unknown family, kind or field.
    """
    kind = _kind(case)
    named = {"kind": str} if "kind" in case.data else {}
    check(case.data, {**ABOUT, **named, **kind.fields})
    return kind.run(case.data), kind.expected(case.data)


def _kind(case: Case) -> Kind:
    kinds: Mapping[Any, Kind] | None = FAMILIES.get(case.family)
    if kinds is None:
        raise Malformed(f"the family {case.family!r} is unknown")
    kind = kinds.get(case.data.get("kind"))
    if kind is None:
        raise Malformed(f"{case.family} knows no kind {case.data.get('kind')!r}")
    return kind
