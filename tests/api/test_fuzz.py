"""Schemathesis over a real port: whatever is sent, the answer is a documented one and never a 5xx."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from zoneinfo import available_timezones

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.app import create_app
from perennial.config import Environment, Settings
from perennial.domain.money import CURRENCIES
from perennial.stack.ports import free_port
from tests.api.asking import KEY, Api
from tests.support.listening import listening

EXAMPLES = 10
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]

schemathesis.openapi.format("iso-4217", st.sampled_from(sorted(CURRENCIES)))
schemathesis.openapi.format("iana-time-zone", st.sampled_from(sorted(available_timezones())))


def _document() -> dict[str, Any]:
    """Without any parts: the document does not depend on them."""
    nowhere = {"database_url": "postgresql://nowhere/x", "temporal_address": "localhost:1"}
    return create_app(Settings(_env_file=None, environment=Environment.TEST, **nowhere)).openapi()


SCHEMA = schemathesis.openapi.from_dict(_document())
SCHEMA.config.generation.update(with_security_parameters=False)  # our own key goes along
OPERATIONS = {result.ok().label: result.ok() for result in SCHEMA.get_all_operations()}


@pytest.fixture(scope="module")
async def address(app: FastAPI) -> AsyncIterator[str]:
    """The same application behind a real server."""
    port = free_port()
    async with listening(app, port, lifespan=False):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
async def known(api: Api) -> dict[str, str]:
    """Things that exist, so that what is sent gets beyond the first look-up."""
    # A plan of its own: the fuzzer archives it.
    prices = {currency: {"type": "per_unit", "unit_price": "12.50"} for currency in sorted(CURRENCIES)}
    plan = {"code": "fuzzed", "name": "Fuzzed", "interval": {"unit": "month"}, "prices": prices, "allow_multiple": True}
    assert (await api.post("/v1/plans", plan)).status_code == 201
    assert (await api.post("/v1/plans", plan | {"name": "Fuzzed again"})).json()["version"] == 2
    migration = (await api.post("/v1/plans/fuzzed/migrations")).json()
    customer = await api.customer()
    subscription = await api.subscribe(customer["id"], plan="fuzzed")
    invoice = (await api.get("/v1/invoices", customer_id=customer["id"])).json()["data"][0]
    payment = (await api.get("/v1/payments", customer_id=customer["id"])).json()["data"][0]
    clock = (await api.post("/v1/test-clocks", {"name": "fuzz", "now": "2026-01-01T00:00:00Z"})).json()
    gift = {"recipient_name": "C", "recipient_email": "c@example.com", "periods": 1, "plan": "basic-monthly"}
    return {
        "customer_id": customer["id"],
        "giver_id": customer["id"],
        "subscription_id": subscription["id"],
        "payment_method_id": subscription["payment_method_id"],
        "invoice_id": invoice["id"],
        "payment_id": payment["id"],
        "test_clock_id": clock["id"],
        "gift_id": (await api.post("/v1/gifts", gift | {"giver_id": customer["id"]})).json()["id"],
        "migration_id": migration["id"],
        "plan": "fuzzed",
        "code": "fuzzed",
        "gateway": "simulator",
    }


@pytest.mark.parametrize("label", OPERATIONS)
@pytest.mark.usefixtures("nobody_sells")
async def test_nothing_breaks_it(label: str, address: str, known: dict[str, str]) -> None:
    # In a thread, for the loop has an application and a worker to run.
    await asyncio.to_thread(_fuzz, label, address, known)


def _fuzz(label: str, address: str, known: dict[str, str]) -> None:
    operation = OPERATIONS[label]
    cases = operation.as_strategy()
    if operation.body or operation.query or operation.path_parameters:
        cases |= operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)

    @given(case=cases, real=st.booleans())
    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    def check(case: schemathesis.Case, real: bool) -> None:  # noqa: FBT001 - drawn
        if real:
            _name_what_exists(case, known)
        response = case.call(base_url=address, headers={"X-API-Key": KEY})
        case.validate_response(response, checks=CHECKS)

    check()


def _name_what_exists(case: schemathesis.Case, known: dict[str, str]) -> None:
    for name in case.path_parameters or {}:
        case.path_parameters[name] = known.get(name, case.path_parameters[name])
    if isinstance(case.body, dict):
        for name in set(case.body) & set(known) - {"code"}:
            case.body[name] = known[name]
