"""Settings say in one line what is wrong with them."""

import fcntl
import json
from pathlib import Path

import pytest

from perennial.config import (
    DEVELOPMENT_API_KEY,
    Environment,
    SettingsError,
    load_settings,
    normalise_database_url,
)
from perennial.roles import NamedKey
from perennial.running import LOCK_FILE, STACK_FILE


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("PERENNIAL_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("postgres://u:p@db/x", "postgresql+psycopg2://u:p@db/x"),
        ("postgresql://u:p%40@db:5433/x?sslmode=require", "postgresql+psycopg2://u:p%40@db:5433/x?sslmode=require"),
        ("postgresql+psycopg2://u@/x?host=/run/pg", "postgresql+psycopg2://u@/x?host=%2Frun%2Fpg"),
    ],
)
def test_a_database_url_gets_its_driver(given: str, meant: str) -> None:
    assert normalise_database_url(given) == meant


def test_defaults_are_those_of_development() -> None:
    settings = load_settings()
    assert settings.environment is Environment.DEVELOPMENT
    assert settings.api_keys == (DEVELOPMENT_API_KEY,)
    assert (settings.api_port, settings.task_queue, settings.temporal_namespace) == (8080, "perennial", "default")
    assert settings.renewal_window_seconds == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("API_PORT", "eighty"),
        ("API_PORT", "70000"),
        ("DATABASE_URL", "mysql://db/x"),
        ("DATABASE_URL", "not a url"),
        ("TEMPORAL_ADDRESS", "localhost"),
        ("TEMPORAL_ADDRESS", "localhost:port"),
        ("ENVIRONMENT", "staging"),
        ("GATEWAY", "nobody"),
        ("LOG_LEVEL", "loud"),
        ("RENEWAL_WINDOW_SECONDS", "-1"),
        ("WEBHOOK_SECRET", "short"),
        ("LINK_SECRET", "short"),
        ("DASHBOARD_SECRET", "short"),
        ("SUPPORT_KEYS", "sk_without_a_name_0123"),
        ("SUPPORT_KEYS", "anna=short"),
        ("SUPPORT_KEYS", "anna=sk_0123456789abcdef,anna=sk_fedcba9876543210"),
        ("FINANCE_KEYS", "a b=sk_0123456789abcdef"),
        ("PUBLIC_URL", "pay.example.com"),
        ("SANDBOXED_WORKFLOWS", "maybe"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"PERENNIAL_{name}", value)
    with pytest.raises(SettingsError) as error:
        load_settings()
    assert str(error.value).startswith(f"PERENNIAL_{name}: ")
    assert "\n" not in str(error.value)


def test_two_wrong_settings_are_two_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERENNIAL_API_PORT", "x")
    monkeypatch.setenv("PERENNIAL_LOG_FORMAT", "xml")
    with pytest.raises(SettingsError) as error:
        load_settings()
    names = [line.partition(":")[0] for line in str(error.value).splitlines()]
    assert names == ["PERENNIAL_API_PORT", "PERENNIAL_LOG_FORMAT"]


def test_production_wants_everything_named_and_nothing_of_development(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERENNIAL_ENVIRONMENT", "production")
    with pytest.raises(SettingsError) as error:
        load_settings()
    names = [line.partition(":")[0] for line in str(error.value).splitlines()]
    assert names == [
        "PERENNIAL_API_KEYS",
        "PERENNIAL_DASHBOARD_SECRET",
        "PERENNIAL_DATABASE_URL",
        "PERENNIAL_LINK_SECRET",
        "PERENNIAL_TEMPORAL_ADDRESS",
        "PERENNIAL_WEBHOOK_SECRET",
    ]


def test_production_with_everything_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "ENVIRONMENT": "Production",
        "API_KEYS": "key-one, key-two,",
        "DATABASE_URL": "postgres://db/perennial",
        "TEMPORAL_ADDRESS": "temporal:7233",
        "WEBHOOK_SECRET": "whsec_of_production",
        "LINK_SECRET": "links-of-production",
        "DASHBOARD_SECRET": "dashboard-of-production",
    }
    for name, value in given.items():
        monkeypatch.setenv(f"PERENNIAL_{name}", value)
    settings = load_settings()
    assert settings.is_production
    assert settings.api_keys == ("key-one", "key-two")


def test_keys_of_people_have_names_and_one_role(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERENNIAL_SUPPORT_KEYS", "anna=sk_0123456789abcdef, ben.b=sk_with=signs=in=it==")
    assert load_settings().support_keys == (
        NamedKey("anna", "sk_0123456789abcdef"),
        NamedKey("ben.b", "sk_with=signs=in=it=="),
    )
    assert "sk_0" not in repr(load_settings())
    monkeypatch.setenv("PERENNIAL_FINANCE_KEYS", "carl=sk_0123456789abcdef")
    with pytest.raises(SettingsError, match=r"^PERENNIAL_FINANCE_KEYS: has a key that stands elsewhere too$"):
        load_settings()


def test_a_file_named_env_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PERENNIAL_API_PORT=9001\n")
    assert load_settings().api_port == 9001


def test_a_missing_address_is_named_when_it_is_needed() -> None:
    with pytest.raises(SettingsError, match=r"^PERENNIAL_DATABASE_URL: is not set, and no `perennial dev` is running"):
        load_settings().require_database_url()
    with pytest.raises(SettingsError, match=r"^PERENNIAL_TEMPORAL_ADDRESS: is not set"):
        load_settings().require_temporal_address()


def test_the_addresses_of_a_running_stack_are_found_and_those_of_a_dead_one_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / ".perennial"
    folder.mkdir()
    (folder / STACK_FILE).write_text(json.dumps({"database_url": "postgresql+psycopg2:///x", "api_port": 8099}))
    with (folder / LOCK_FILE).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert load_settings().database_url == "postgresql+psycopg2:///x"
        assert load_settings().api_port == 8099
        monkeypatch.setenv("PERENNIAL_API_PORT", "9002")
        assert load_settings().api_port == 9002, "what is set comes before what is found"
    assert load_settings().database_url is None
