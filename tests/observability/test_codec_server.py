"""The codec server: who may ask, what a browser may do, what it answers."""

from typing import Any

import httpx
import pytest
from google.protobuf.json_format import MessageToDict
from temporalio.api.common.v1 import Payloads
from temporalio.converter import PayloadConverter

from perennial.temporal.codec import EncryptionCodec
from perennial.temporal.codec_server import CodecServer
from perennial.temporal.key_ring import parse_keys

KEYS = "one:" + "A" * 43 + "="
TOKEN, ORIGIN = "token-of-the-operators", "https://temporal.example"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
CODEC = EncryptionCodec(parse_keys(KEYS))
PLAIN = MessageToDict(Payloads(payloads=[PayloadConverter.default.to_payload({"id": "sub_1"})]))


@pytest.fixture
async def http() -> Any:
    transport = httpx.ASGITransport(CodecServer(CODEC, TOKEN, ORIGIN).application())
    async with httpx.AsyncClient(transport=transport, base_url="http://codec.test") as client:
        yield client


async def test_encode_and_decode_are_each_other_undone(http: httpx.AsyncClient) -> None:
    stored = await http.post("/encode", json=PLAIN, headers=BEARER)
    assert stored.status_code == 200
    assert stored.json() != PLAIN
    assert (await http.post("/decode", json=stored.json(), headers=BEARER)).json() == PLAIN


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer"}, {"Authorization": f"Bearer {TOKEN}x"}, {"Authorization": TOKEN}]
)
@pytest.mark.parametrize("path", ["/encode", "/decode"])
async def test_nothing_is_shown_without_the_token(http: httpx.AsyncClient, path: str, headers: dict[str, str]) -> None:
    answer = await http.post(path, json=PLAIN, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "payloads" not in answer.text


@pytest.mark.parametrize(("origin", "allowed"), [(ORIGIN, True), ("https://elsewhere.example", False), ("null", False)])
async def test_a_browser_lets_the_uis_pages_alone_ask(http: httpx.AsyncClient, origin: str, *, allowed: bool) -> None:
    asks = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,x-namespace",
    }
    preflight = await http.options("/decode", headers=asks)
    assert (preflight.status_code == 200) is allowed
    answer = await http.post("/decode", json=PLAIN, headers=BEARER | {"Origin": origin})
    for told in (preflight, answer):
        assert told.headers.get("access-control-allow-origin") == (ORIGIN if allowed else None)


async def test_what_cannot_be_read_is_said(http: httpx.AsyncClient) -> None:
    assert (await http.post("/decode", content=b"\xff{", headers=BEARER)).status_code == 400
    assert (await http.post("/decode", json={"payloads": [{"metadata": 1}]}, headers=BEARER)).status_code == 400
    other = EncryptionCodec(parse_keys("two:" + "B" * 42 + "A="))
    foreign = Payloads(payloads=await other.encode([PayloadConverter.default.to_payload(1)]))
    answer = await http.post("/decode", json=MessageToDict(foreign), headers=BEARER)
    assert answer.status_code == 400
    assert "does not hold the key 'two'" in answer.json()["message"]
    assert (await http.get("/decode", headers=BEARER)).status_code == 405
