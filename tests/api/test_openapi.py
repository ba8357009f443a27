"""The document says what the application does: examples, problems, and what a fuzzer finds."""

from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import TypeAdapter

from api import openapi
from api.schemas.subscriptions import NewSubscription
from perennial.cli.dev_output import FIRST_SUBSCRIPTION
from tests.api.asking import Api


@pytest.fixture(scope="module")
def document(app: FastAPI) -> dict[str, Any]:
    return app.openapi()


def _operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    return document["components"]["schemas"][name] if name else schema


def test_it_is_openapi_3_1_and_every_operation_has_its_words(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    ids = [operation["operationId"] for _, operation in _operations(document)]
    assert len(set(ids)) == len(ids)
    tags = {tag["name"] for tag in document["tags"]}
    for name, operation in _operations(document):
        assert set(operation["tags"]) <= tags, name
        assert operation["description"], name


def test_every_body_has_an_example(document: dict[str, Any]) -> None:
    bodies = [
        (name, operation["requestBody"]) for name, operation in _operations(document) if "requestBody" in operation
    ]
    assert len(bodies) > 25
    for name, body in bodies:
        content = body["content"]["application/json"]
        options = [_resolved(document, option) for option in content["schema"].get("anyOf", [content["schema"]])]
        assert "examples" in content or any("examples" in option for option in options), name


def test_every_refusal_is_declared_as_a_problem(document: dict[str, Any]) -> None:
    for name, operation in _operations(document):
        for status, response in operation["responses"].items():
            if status[0] in "45":
                assert list(response["content"]) == [openapi.MEDIA_TYPE], (name, status)
        if " /v1/" in name:
            assert {"422", "503"} <= set(operation["responses"]), name
        if " /v1/" in name and "webhooks" not in name:
            assert operation["security"], name
            assert "401" in operation["responses"], name
        if name.startswith("POST /v1/") and "webhooks" not in name:
            assert "Idempotency-Key" in [parameter["name"] for parameter in operation["parameters"]], name
            assert {"400", "409", "413"} <= set(operation["responses"]), name


def test_the_first_curl_is_what_the_document_shows(document: dict[str, Any]) -> None:
    assert document["components"]["schemas"]["NewSubscription"]["examples"][0] == FIRST_SUBSCRIPTION
    assert TypeAdapter(NewSubscription).validate_python(FIRST_SUBSCRIPTION)


@pytest.mark.usefixtures("nobody_sells")
async def test_every_example_fits_its_schema(api: Api, document: dict[str, Any]) -> None:
    """Sent as it stands, no example is refused for its form."""
    for name, operation in _operations(document):
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if body is None or "webhooks" in name:
            continue
        method, _, path = name.partition(" ")
        options = body["schema"].get("anyOf", [body["schema"]])
        examples = [example for option in options for example in _resolved(document, option).get("examples", [])]
        examples += [example["value"] for example in body.get("examples", {}).values()]
        for example in examples:
            answer = await api.ask(method, path, json=example)
            assert answer.json().get("code") != "validation_failed", (name, example, answer.text)
