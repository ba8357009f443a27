from dataclasses import dataclass
from importlib.metadata import EntryPoint, EntryPoints
from types import SimpleNamespace

import pytest
from sqlalchemy import Engine

from perennial.gateways import registry
from perennial.gateways.simulator import SimulatorGateway


@dataclass(frozen=True)
class Settings:
    gateway: str = "simulator"
    webhook_secret: str = "whsec_of_the_registry_tests"
    api_host: str = "127.0.0.1"
    api_port: int = 8080


def test_the_simulator_is_built_in(engine: Engine) -> None:
    gateway = registry.build_gateway(Settings(), engine)
    assert isinstance(gateway, SimulatorGateway)
    registry.prepare_gateway(gateway)


def test_an_unknown_gateway_is_named_with_those_that_are_known(engine: Engine) -> None:
    with pytest.raises(registry.UnknownGateway, match=r"no gateway 'paypall'; known: simulator"):
        registry.build_gateway(Settings(gateway="paypall"), engine)


def test_a_third_party_registers_by_entry_point(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = SimpleNamespace(name="theirs")
    point = EntryPoint("theirs", "their.module:make", registry.ENTRY_POINTS)
    monkeypatch.setattr(EntryPoint, "load", lambda _: lambda settings, engine: theirs)
    monkeypatch.setattr(registry, "entry_points", lambda **asked: EntryPoints([point]).select(**asked))
    assert registry.build_gateway(Settings(gateway="theirs"), engine) is theirs
    assert registry.gateway_names() == ("simulator", "stripe", "theirs")
    assert registry.build_dispatcher(Settings(gateway="theirs"), engine) is None


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("0.0.0.0", "http://127.0.0.1:8080"),  # noqa: S104 (not bound)
        ("::", "http://[::1]:8080"),
        ("api", "http://api:8080"),
    ],
)
def test_where_the_api_is(host: str, url: str) -> None:
    assert registry.api_url(Settings(api_host=host)) == url
