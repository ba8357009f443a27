"""Routing over HTTP: rules in force, where a customer goes, one card at two gateways."""

from typing import Any

import pytest

from tests.api.asking import Api, problem


async def test_rules_are_put_all_at_once_and_shown(api: Api) -> None:
    share = {"gateway": "simulator", "percent": 100}
    rules = [{"currency": "EUR", "country": None, "shares": [share]}]
    answer = await api.ask("PUT", "/v1/routing", json={"rules": rules})
    assert answer.status_code == 200, answer.text
    assert answer.json()["rules"] == rules
    shown = (await api.get("/v1/routing")).json()
    assert shown == answer.json()
    assert [gateway["name"] for gateway in shown["gateways"]] == ["simulator"]
    emptied = await api.ask("PUT", "/v1/routing", json={"rules": []})
    assert emptied.json()["rules"] == []


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        ([{"gateway": "simulator", "percent": 99}], "add up to 100"),
        ([{"gateway": "stripe", "percent": 100}], "no gateway 'stripe'"),
    ],
)
async def test_what_makes_no_sense_is_refused(api: Api, shares: list[dict[str, Any]], words: str) -> None:
    refusal = problem(await api.ask("PUT", "/v1/routing", json={"rules": [{"shares": shares}]}), 422)
    assert words in str(refusal)


async def test_where_a_customer_goes(api: Api, customer: dict[str, Any]) -> None:
    found = await api.get("/v1/routing/order", customer_id=customer["id"], currency="EUR")
    assert found.json() == {"gateways": ["simulator"]}
    problem(await api.get("/v1/routing/order", customer_id="cus_of_nobody", currency="EUR"), 404)


async def test_a_token_of_a_gateway_that_is_not_there(api: Api, customer: dict[str, Any]) -> None:
    """The rest of it, with two gateways, is in tests/integration/test_routing.py."""
    methods = f"/v1/customers/{customer['id']}/payment-methods"
    made = (await api.post(methods, {"token": "pm_card_visa", "gateway": "simulator"})).json()
    assert made["gateway"] == "simulator"
    problem(await api.post(methods, {"token": "pm_card_visa", "gateway": "stripe"}), 422)
    tokens = f"{methods}/{made['id']}/tokens"
    problem(await api.post(tokens, {"gateway": "simulator", "token": "pm_card_visa"}), 422)
    problem(await api.post(tokens, {"gateway": "simulator_2", "token": "pm_card_visa"}), 422)
    problem(await api.post(f"{methods}/pm_none/tokens", {"gateway": "simulator_2", "token": "pm_card_visa"}), 404)
