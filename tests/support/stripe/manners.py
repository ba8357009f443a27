"""What localstripe does otherwise than Stripe, mended: parameters it does not know, states, errors, decline codes.

Everything here is Stripe's documented behaviour as far as our adapter meets it. Nothing is known of our adapter.
"""

import threading
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode

import httpx

from tests.support.stripe import openapi

Answer = tuple[int, dict[str, Any]]

# Cards that the bank refuses when they are attached; the number says why (docs.stripe.com/testing).
ATTACH_DECLINES = {
    "4000000000000002": "generic_decline",
    "4000000000009995": "insufficient_funds",
    "4000000000009987": "lost_card",
    "4000000000009979": "stolen_card",
    "4000000000000069": "expired_card",
    "4000000000000127": "incorrect_cvc",
    "4000000000000119": "processing_error",
}
_UNKNOWN_TO_LOCALSTRIPE = {
    "PostPaymentIntents": {"allowed_payment_method_types[0]", "description"},
    "PostPaymentIntentsIntentConfirm": {"off_session", "payment_method", "return_url"},
    "PostSetupIntents": {"allowed_payment_method_types[0]"},
}


def error(status: int, code: str | None, param: str | None = None, **more: Any) -> Answer:
    kind = "card_error" if status == 402 else "invalid_request_error"
    body = {"type": kind, "message": code or "refused", **({"code": code} if code else {})}
    return status, {"error": body | ({"param": param} if param else {}) | more}


@dataclass
class Manners:
    """The state that localstripe does not keep, by id."""

    upstream: httpx.Client
    key: str
    numbers: dict[str, str] = field(default_factory=dict)
    # What a card that can be attached answers to a charge, as its metadata asked.
    declines: dict[str, str] = field(default_factory=dict)
    # Payments that an off-session confirmation sent back to the customer.
    wants_customer: set[str] = field(default_factory=set)
    return_urls: dict[str, str] = field(default_factory=dict)
    # In the order of creation, and each as last seen.
    intents: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    # localstripe has none: what banks have said, as Stripe tells it.
    disputes: list[dict[str, Any]] = field(default_factory=list)
    # Refunds that came back after they had been sent.
    returned: set[str] = field(default_factory=set)
    refunded_back: dict[str, int] = field(default_factory=dict)
    # Stripe holds a payment while a request changes it; here all are held at once.
    held: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, method: str, path: str, query: str, body: str) -> Answer:
        """Carry a documented request out."""
        name = openapi.operation(method, path) or ""
        if mended := self._mended(name, path.split("/")[3:4], query, body):
            return mended
        what = path.removeprefix("/v1/").split("/")[0].removesuffix("s")
        return self._named(self._forward(method, path, query, _without(body, name)), what)

    def _mended(self, name: str, ids: list[str], query: str, body: str) -> Answer | None:
        match name, *ids:
            case ["PostPaymentMethods"]:
                return self._make_method(body)
            case ["PostPaymentMethodsPaymentMethodAttach", token]:
                return self._attach(token, body)
            case ["PostPaymentIntents"]:
                return self._create(body)
            case ["GetPaymentIntents"]:
                return self._list(query)
            case ["GetPaymentIntentsIntent", intent]:
                return self._retrieve(intent, expanded="latest_charge" in query)
            case ["PostPaymentIntentsIntentConfirm", intent]:
                with self.held:
                    return self._confirm(intent, body)
            case ["PostPaymentIntentsIntentCancel", intent]:
                with self.held:
                    return self._cancel(intent, body)
            case ["PostRefunds"]:
                with self.held:
                    return self._refund(body)
            case ["GetRefundsRefund", refund] if refund in self.returned:
                status, raw = self._forward("GET", f"/v1/refunds/{refund}", "", "")
                return status, raw | {"status": "failed", "failure_reason": "lost_or_stolen_card"}
        return self._listed_since(name, query) if "created" in query else None

    def _listed_since(self, name: str, query: str) -> Answer | None:
        match name:
            case "GetDisputes":
                return 200, _created_since(query, "/v1/disputes", self.disputes)
            case "GetRefunds":
                known = self._forward("GET", "/v1/refunds", "limit=100", "")[1]["data"]
                return 200, _created_since(query, "/v1/refunds", known)
        return None

    def authenticate(self, intent: str, *, success: bool) -> None:
        """The customer answers their bank. What comes too late changes nothing."""
        raw = self._intent(intent) or {}
        body = urlencode({"client_secret": raw.get("client_secret", ""), "success": str(success).lower()})
        self._forward("POST", f"/v1/payment_intents/{intent}/_authenticate", "", body)
        self.intents[intent] = None

    def all_intents(self) -> list[dict[str, Any]]:
        """In the order of their creation."""
        return [raw for intent in list(self.intents) if (raw := self._intent(intent))]

    def card_of(self, intent: str) -> str | None:
        raw = self._intent(intent)
        return raw["payment_method"] if raw else None

    # --- payment methods -----------------------------------------------------------------------------------------

    def _make_method(self, body: str) -> Answer:
        status, made = self._forward("POST", "/v1/payment_methods", "", body)
        if status == httpx.codes.OK:
            self.numbers[made["id"]] = dict(parse_qsl(body)).get("card[number]", "")
            self.declines[made["id"]] = made["metadata"].get("declined_with", "generic_decline")
        return status, made

    def _attach(self, token: str, body: str) -> Answer:
        status, method = self._forward("GET", f"/v1/payment_methods/{token}", "", "")
        if status != httpx.codes.OK:
            return error(404, "resource_missing", "payment_method")
        if method["customer"] not in {None, dict(parse_qsl(body))["customer"]}:
            return error(400, None, "payment_method")
        status, answer = self._forward("POST", f"/v1/payment_methods/{token}/attach", "", body)
        if status == httpx.codes.PAYMENT_REQUIRED:
            code = ATTACH_DECLINES.get(self.numbers.get(token, ""), "generic_decline")
            return error(402, "card_declined", decline_code=code)
        return self._named((status, answer), "customer")

    # --- payments ------------------------------------------------------------------------------------------------

    def _create(self, body: str) -> Answer:
        asked = dict(parse_qsl(body))
        if int(asked["amount"]) < 50:  # USD 0.50 or its like
            return error(400, "amount_too_small", "amount")
        status, method = self._forward("GET", f"/v1/payment_methods/{asked['payment_method']}", "", "")
        if status != httpx.codes.OK:
            return error(404, "resource_missing", "payment_method")
        if method["customer"] != asked["customer"]:
            return error(400, None, "payment_method")
        status, made = self._forward("POST", "/v1/payment_intents", "", _without(body, "PostPaymentIntents"))
        if status != httpx.codes.OK:
            return self._named((status, made), "customer")
        self.intents[made["id"]] = made
        return status, self._patched(made, expanded=False)

    def _retrieve(self, intent: str, *, expanded: bool) -> Answer:
        raw = self._intent(intent)
        return (200, self._patched(raw, expanded=expanded)) if raw else error(404, "resource_missing", "intent")

    def _confirm(self, intent: str, body: str) -> Answer:
        raw, asked = self._intent(intent), dict(parse_qsl(body))
        if raw is None:
            return error(404, "resource_missing", "intent")
        if intent in self.wants_customer and asked.get("payment_method") and "off_session" not in asked:
            self.wants_customer.discard(intent)
            self.return_urls[intent] = asked.get("return_url", "")
            return 200, self._patched(raw, expanded=False)
        if intent in self.wants_customer or raw["status"] != "requires_confirmation":
            return error(400, "payment_intent_unexpected_state")
        status, answer = self._forward(
            "POST", f"/v1/payment_intents/{intent}/confirm", "", _without(body, "PostPaymentIntentsIntentConfirm")
        )
        self.intents[intent] = None
        if status == httpx.codes.OK and answer["status"] == "requires_action" and asked.get("off_session") == "true":
            self.wants_customer.add(intent)
            return error(402, "authentication_required", decline_code="authentication_required")
        if status == httpx.codes.PAYMENT_REQUIRED:
            return error(402, "card_declined", decline_code=self.declines[raw["payment_method"]])
        return status, self._patched(answer, expanded=False)

    def _cancel(self, intent: str, body: str) -> Answer:
        status, answer = self._forward("POST", f"/v1/payment_intents/{intent}/cancel", "", body)
        self.intents[intent] = None
        if status != httpx.codes.OK:
            return error(400, "payment_intent_unexpected_state")
        self.wants_customer.discard(intent)
        return status, self._patched(answer, expanded=False)

    def _list(self, query: str) -> Answer:
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        newest_first = self.all_intents()[::-1]
        least, most = int(asked.get("created[gte]", 0)), int(asked.get("created[lte]", 2**62))
        listed = [raw for raw in newest_first if least <= raw["created"] <= most]
        limit, ids = int(asked.get("limit", 10)), [raw["id"] for raw in listed]
        if before := asked.get("ending_before"):
            newer = listed[: ids.index(before)]
            page, has_more = newer[-limit:], len(newer) > limit
        else:
            start = ids.index(asked["starting_after"]) + 1 if "starting_after" in asked else 0
            page, has_more = listed[start : start + limit], len(listed) > start + limit
        data = [self._patched(raw, expanded="data.latest_charge" in asked.values()) for raw in page]
        return 200, {"object": "list", "url": "/v1/payment_intents", "data": data, "has_more": has_more}

    def _intent(self, intent: str) -> dict[str, Any] | None:
        """As localstripe has it; remembered until somebody changes it."""
        known = self.intents.get(intent)
        if known is None:
            status, known = self._forward("GET", f"/v1/payment_intents/{intent}", "", "")
            if status != httpx.codes.OK:
                return None
            self.intents[intent] = known
        return known

    def _patched(self, raw: dict[str, Any], *, expanded: bool) -> dict[str, Any]:
        intent, charge = dict(raw), raw["latest_charge"]
        intent.pop("charges", None)
        if charge is not None and (back := self.refunded_back.get(raw["id"])):
            charge = charge | {"amount_refunded": charge["amount_refunded"] - back}
        intent["latest_charge"] = charge if expanded or charge is None else charge["id"]
        token = raw["payment_method"] or (charge or {}).get("payment_method")
        refused = {"type": "card_error", "payment_method": {"id": token, "object": "payment_method"}}
        if intent["id"] in self.wants_customer:
            intent |= {"status": "requires_payment_method", "next_action": None, "payment_method": None}
            code = "authentication_required"
            intent["last_payment_error"] = refused | {"code": code, "decline_code": code}
        elif intent["status"] == "requires_payment_method" and charge is not None:
            intent["payment_method"] = None
            code = self.declines.get(token, "generic_decline")
            intent["last_payment_error"] = refused | {"code": "card_declined", "decline_code": code}
        elif intent["status"] == "requires_action" and (back := self.return_urls.get(intent["id"])):
            bank = f"https://bank.example/3ds/{intent['id']}"
            intent["next_action"] = {
                "type": "redirect_to_url",
                "redirect_to_url": {"url": bank, "return_url": back},
            }
        return intent

    # --- refunds -------------------------------------------------------------------------------------------------

    def _refund(self, body: str) -> Answer:
        asked = dict(parse_qsl(body))
        intent = asked["payment_intent"]
        raw = self._intent(intent)
        if raw is None:
            return error(404, "resource_missing", "payment_intent")
        charge = raw["latest_charge"]
        if charge is None or not charge["captured"] or charge["status"] != "succeeded":
            return error(400, None, "payment_intent")
        if charge["amount_refunded"] + int(asked["amount"]) > charge["amount"]:
            return error(400, None, "amount")
        answer = self._forward("POST", "/v1/refunds", "", body)
        self.intents[intent] = None
        return answer

    def return_refund(self, refund: str) -> dict[str, Any]:
        """The customer's bank cannot take it. Answers the refund as Stripe tells it from now on."""
        self.returned.add(refund)
        _, raw = self.answer("GET", f"/v1/refunds/{refund}", "", "")
        self.refunded_back[raw["payment_intent"]] = self.refunded_back.get(raw["payment_intent"], 0) + raw["amount"]
        return raw

    # --- localstripe ---------------------------------------------------------------------------------------------

    def _forward(self, method: str, path: str, query: str, body: str) -> Answer:
        answer = self.upstream.request(
            method,
            f"{path}?{query}" if query else path,
            content=body or None,
            headers={"Authorization": f"Bearer {self.key}", "Content-Type": "application/x-www-form-urlencoded"},
        )
        return answer.status_code, answer.json()

    def _named(self, answer: Answer, param: str) -> Answer:
        """Stripe says what is missing."""
        return error(404, "resource_missing", param) if answer[0] == httpx.codes.NOT_FOUND else answer


def _created_since(query: str, url: str, known: list[dict[str, Any]]) -> dict[str, Any]:
    """All on one page."""
    [least] = parse_qs(query)["created[gte]"]
    data = [raw for raw in known if raw["created"] >= int(least)]
    return {"object": "list", "url": url, "data": data, "has_more": False}


def _without(body: str, operation: str) -> str:
    dropped = _UNKNOWN_TO_LOCALSTRIPE.get(operation, set())
    return urlencode([(name, value) for name, value in parse_qsl(body) if name not in dropped])
