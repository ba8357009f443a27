"""A strict reading of a case: every field is known and has its type, or the case fails. Nothing is passed over."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

# What a case says about itself. None of it is an input.
ABOUT = {"id": str, "source": str, "rule": str, "note": str}


class Malformed(AssertionError):
    """A field that this engine does not know, or knows otherwise: the vector asks for something it cannot answer."""


@dataclass(frozen=True)
class Kind:
    """How cases of one kind are read (`fields`, with what they expect) and run: `run` answers what `expected` reads."""

    fields: Mapping[str, Any]
    run: Callable[[dict[str, Any]], Any]
    expected: Callable[[dict[str, Any]], Any] = lambda case: case["expect"]


def check(value: Any, spec: Any, path: str = "case") -> None:
    """A dict spec names its fields (`name?` may be absent), a list spec has one item, a tuple spec alternatives."""
    if isinstance(spec, Mapping):
        _check_object(value, spec, path)
    elif isinstance(spec, list):
        if not isinstance(value, list):
            raise Malformed(f"{path} is no list")
        for n, item in enumerate(value):
            check(item, spec[0], f"{path}[{n}]")
    elif type(value) not in (spec if isinstance(spec, tuple) else (spec,)):
        raise Malformed(f"{path} is {value!r}")


def _check_object(value: Any, spec: Mapping[str, Any], path: str) -> None:
    if not isinstance(value, dict):
        raise Malformed(f"{path} is no object")
    names = {name.rstrip("?"): name for name in spec}
    if unknown := value.keys() - names.keys():
        raise Malformed(f"{path} has unknown fields {sorted(unknown)}")
    for name, key in names.items():
        if name in value:
            check(value[name], spec[key], f"{path}.{name}")
        elif not key.endswith("?"):
            raise Malformed(f"{path}.{name} is missing")


def instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise Malformed(f"{text} has no offset")
    return at
