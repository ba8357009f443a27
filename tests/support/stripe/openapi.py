"""Whether a request is one that Stripe documents: judged by Stripe's own OpenAPI document."""

import gzip
import json
import re
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import qs_codec
from jsonschema import validators
from openapi_schema_validator import OAS30Validator

SPECS = Path(__file__).parents[2] / "contracts" / "specs"

# The document is of 2023. What Stripe added since, and what it took away (API 2026-09-30: answered with 400).
NEWER = {
    "PostPaymentIntents": {
        "allowed_payment_method_types": {"type": "array", "items": {"type": "string", "enum": ["card"]}}
    },
    "PostSetupIntents": {
        "allowed_payment_method_types": {"type": "array", "items": {"type": "string", "enum": ["card"]}}
    },
}
REMOVED = {
    "PostPaymentIntents": {"payment_method_types"},
    "PostPaymentIntentsIntentConfirm": {"payment_method_types"},
    "PostSetupIntents": {"payment_method_types"},
}

# Form values are strings. A real boolean stays one: `additionalProperties: false` asks for it.
_TYPES = OAS30Validator.TYPE_CHECKER.redefine(
    "integer", lambda _, value: isinstance(value, str) and value.lstrip("-").isdigit()
).redefine("boolean", lambda _, value: isinstance(value, bool) or value in {"true", "false"})
_Validator = validators.extend(OAS30Validator, type_checker=_TYPES)


def load(name: str) -> Any:
    return json.loads(gzip.decompress((SPECS / name).read_bytes()))


def operation(method: str, path: str) -> str | None:
    """Stripe's name for a request, such as `PostRefunds`."""
    for pattern, item in _paths():
        if method.lower() in item and pattern.fullmatch(path):
            return str(item[method.lower()]["operationId"])
    return None


def violations(method: str, path: str, query: str, body: str) -> list[str]:
    """What is wrong with a request; nothing when it is as documented."""
    name = operation(method, path)
    if name is None:
        return [f"no operation {method} {path}"]
    parameters = qs_codec.decode(query if method == "GET" else body, qs_codec.DecodeOptions(depth=10))
    found = [f"{error.json_path}: {error.message}" for error in _validator(name).iter_errors(parameters)]
    if method != "GET" and query:
        found.append("a query beside the body")
    return sorted(found)


@cache
def _document() -> dict[str, Any]:
    document: dict[str, Any] = load("stripe_openapi_2023-08-16.json.gz")
    return document


@cache
def _paths() -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    # Plain paths come before those with a variable, as /v1/refunds before /v1/{anything}.
    paths = sorted(_document()["paths"].items(), key=lambda entry: entry[0].count("{"))
    return [(re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path)), item) for path, item in paths]


@cache
def _validator(name: str) -> Any:
    schema = next(
        _schema(method, entry)
        for _, item in _paths()
        for method, entry in item.items()
        if isinstance(entry, dict) and entry.get("operationId") == name
    )
    return _Validator(_strict(schema, NEWER.get(name, {}), REMOVED.get(name, set())))


def _schema(method: str, entry: dict[str, Any]) -> dict[str, Any]:
    if method != "get":
        body: dict[str, Any] = entry["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]
        return body
    asked = [parameter for parameter in entry["parameters"] if parameter["in"] == "query"]
    return {
        "type": "object",
        "properties": {parameter["name"]: parameter["schema"] for parameter in asked},
        "required": [parameter["name"] for parameter in asked if parameter.get("required")],
    }


def _strict(schema: dict[str, Any], newer: dict[str, Any], removed: set[str]) -> dict[str, Any]:
    """Stripe refuses unknown names at every level; its document says so at the top alone."""
    whole = deepcopy(schema)
    whole["properties"] = {k: v for k, v in whole.get("properties", {}).items() if k not in removed} | newer
    _close(whole)
    return whole


def _close(schema: Any) -> None:
    if isinstance(schema, list):
        for part in schema:
            _close(part)
    elif isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            schema["additionalProperties"] = False
        for part in schema.values():
            _close(part)
