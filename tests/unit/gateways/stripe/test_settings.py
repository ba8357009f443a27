"""Stripe's settings are checked when a process starts, in one line each."""

import os
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from perennial.config import SettingsError, load_settings
from perennial.gateways.registry import build_dispatchers, build_gateway

KEYS = {"stripe_secret_key": "sk_test_1", "stripe_webhook_secret": "whsec_1"}
PRODUCTION = {
    "environment": "production",
    "database_url": "postgresql://db/x",
    "temporal_address": "temporal:7233",
    "api_keys": "pk_1",
    "webhook_secret": "whsec_of_our_own_production",
    "link_secret": "links-of-our-own-production",
    "dashboard_secret": "dashboard-of-our-own-production",
}


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("PERENNIAL_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("given", "lines"),
    [
        (
            {},
            [
                "PERENNIAL_STRIPE_SECRET_KEY: is required for the gateway stripe",
                "PERENNIAL_STRIPE_WEBHOOK_SECRET: is required for the gateway stripe",
            ],
        ),
        (
            KEYS | {"stripe_secret_key": "sk_live_1"},
            ["PERENNIAL_STRIPE_SECRET_KEY: must not be a live key outside production"],
        ),
        (
            PRODUCTION | KEYS,
            ["PERENNIAL_STRIPE_SECRET_KEY: must be a live key (sk_live_ or rk_live_) in production"],
        ),
        (
            PRODUCTION | KEYS | {"stripe_secret_key": "rk_live_1", "stripe_api_base": "http://localhost:1"},
            ["PERENNIAL_STRIPE_API_BASE: must begin with https:// in production"],
        ),
    ],
)
def test_what_is_missing_or_dangerous_is_named(given: dict[str, Any], lines: list[str]) -> None:
    with pytest.raises(SettingsError) as error:
        load_settings(gateway="stripe", **given)
    assert str(error.value).splitlines() == lines


def test_the_keys_are_not_asked_for_without_stripe() -> None:
    assert load_settings().stripe_secret_key is None


def test_the_gateway_is_built_and_shows_no_secret() -> None:
    settings = load_settings(gateway="stripe", **KEYS)
    engine = create_engine("postgresql+psycopg2://nobody@127.0.0.1:1/none")
    gateway = build_gateway("stripe", settings, engine)
    gateway.close()
    assert gateway.name == "stripe"
    assert build_dispatchers(settings, engine) == ()
    assert "sk_test_1" not in repr(settings)
    assert "whsec_1" not in repr(settings)
