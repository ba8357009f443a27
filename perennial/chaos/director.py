"""Lets the people live: they subscribe, clocks advance from stop to stop, and at each stop people ask for things."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from perennial.chaos.expectation import Answer, Asked
from perennial.chaos.kinds import Kind
from perennial.chaos.patience import OutOfPatience, persist
from perennial.chaos.population import Group, Person, Place, Wish
from perennial.chaos.portal import Portal, Request
from perennial.chaos.shopper import Visited
from perennial.db.models import OutboxMessage
from perennial.domain.subscription.commands import SetPaymentMethod
from perennial.engine import clocks, customers, demo_catalog, subscriptions
from perennial.engine.context import Engine
from perennial.engine.ids import new_id
from perennial.engine.subscriptions import NewSubscription
from perennial.gateways.registry import prepare_gateway
from perennial.gateways.simulator import SimulatorGateway

# An advance, or the answer to a wish, that takes longer than this will not come.
PATIENCE_SECONDS = 240.0
_QUIET_SECONDS = 90.0
# People who subscribe at the same time: each waits for the first payment.
_WIDTH = 40
_PAUSE_SECONDS = 0.2
_UNDECIDED = text("SELECT count(*) FROM simulator.payments WHERE status = 'processing'")
_ASKED_BY_BANK = text(
    "SELECT gateway_ref FROM simulator.payments WHERE customer_reference = :customer AND status = 'requires_action'"
)
_UNTOLD = text("SELECT count(*) FROM simulator.events WHERE deliveries_left > 0")


@dataclass(slots=True)
class Account:
    """What one person has done. `asked`, in rounds; what stands in one was asked at the same time.

    `cards`: tokens by the ids that they got here. `firsts`: with which of them the subscription may have begun.
    `told_paid`: invoices of which the checkout page has said that they are paid.
    """

    subscription: str
    cards: dict[str, str]
    firsts: list[str]
    asked: list[list[Asked]] = field(default_factory=list)
    told_paid: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Diary:
    """The people by their customer's id; who never got an answer, and what did not arrive."""

    accounts: dict[str, Account] = field(default_factory=dict)
    unanswered: list[str] = field(default_factory=list)
    stranded: list[str] = field(default_factory=list)


class Director:
    """`tick` is called once for each of `steps(groups)`."""

    def __init__(
        self,
        engine: Engine,
        portal: Portal,
        groups: Sequence[Group],
        kinds: frozenset[Kind],
        injected: Counter[Kind],
        tick: Callable[[], None],
    ) -> None:
        self.diary = Diary()
        self._engine = engine
        self._portal = portal
        self._groups = groups
        self._kinds = kinds
        self._injected = injected
        self._tick = tick
        self._door = asyncio.Semaphore(_WIDTH)
        self._banks = SimulatorGateway(engine.db, webhook_secret=engine.settings.webhook_secret)

    async def prepare(self) -> None:
        """The catalogue, before anything goes wrong."""
        await asyncio.to_thread(prepare_gateway, self._banks)
        await demo_catalog.seed(self._engine)

    async def play(self) -> None:
        """Everything up to the last stop."""
        await asyncio.gather(*(self._live(group) for group in self._groups))

    async def finish(self) -> None:
        """When the storm is over: every clock to its end, and nothing is under way any more."""
        await asyncio.gather(*(self._advance(group, len(group.stops)) for group in self._groups))
        for _ in range(2):  # what is told last may bring further work
            try:
                await persist(self._rest, _QUIET_SECONDS, "quiet")
            except OutOfPatience:
                self.diary.stranded.append("messages or webhooks")
            await asyncio.gather(*(self._advance(group, len(group.stops)) for group in self._groups))
        for _ in self._groups:
            self._tick()

    async def _live(self, group: Group) -> None:
        await self._open(group)
        self._tick()
        for number in range(len(group.stops)):
            if not await self._advance(group, number):
                return
            await asyncio.gather(*(self._ask(group, person, number) for person in group.people))
            if group.stops[number].place is Place.DUNNING:
                await self._until_decided()
            self._tick()

    async def _open(self, group: Group) -> None:
        await persist(
            lambda: clocks.create(self._engine, name=group.timezone, now=group.start, id=group.clock),
            PATIENCE_SECONDS,
            group.clock,
        )

        async def enter(person: Person) -> None:
            async with self._door:
                try:
                    await (self._enter(group, person) if person.entry is None else self._check_in(group, person))
                except OutOfPatience as error:
                    self.diary.unanswered.append(f"{person.customer} never got in: {error}")

        await asyncio.gather(*(enter(person) for person in group.people))
        await self._until_decided()

    async def _introduce(self, group: Group, person: Person) -> None:
        await customers.create(
            self._engine,
            name=person.name,
            email=f"{person.name.lower()}{person.number}@example.com",
            timezone=group.timezone,
            id=person.customer,
        )

    async def _enter(self, group: Group, person: Person) -> None:
        """Through the API. Raises OutOfPatience."""

        async def begin() -> None:
            await self._introduce(group, person)
            await customers.attach_payment_method(self._engine, person.customer, person.token, id=person.method)
            new = NewSubscription(
                customer_id=person.customer,
                plan=person.plan,
                currency=person.currency,
                quantity=person.quantity,
                test_clock_id=group.clock,
                id=person.subscription,
            )
            await subscriptions.create(self._engine, new)

        account = Account(person.subscription, {person.method: person.token}, [person.method])
        self.diary.accounts[person.customer] = account
        await persist(begin, PATIENCE_SECONDS, person.subscription)
        if person.authenticates:
            await persist(lambda: asyncio.to_thread(self._pass_bank, person), PATIENCE_SECONDS, person.subscription)

    async def _check_in(self, group: Group, person: Person) -> None:
        """Through the checkout page: with the first card that they hand in, or a later one. Raises OutOfPatience."""
        assert person.entry is not None, "whoever comes by the API does not check in"
        await persist(lambda: self._introduce(group, person), PATIENCE_SECONDS, person.customer)
        terms = {
            "plan": person.plan,
            "currency": person.currency,
            "quantity": person.quantity,
            "test_clock_id": group.clock,
        }
        shopper = self._portal.shopper
        visited = await shopper.subscribe(person.entry, person.customer, terms, f"{person.customer}:0")
        account = Account(new_id("sub", visited.session), {}, [each.method for each in visited.tries.values()])
        self.diary.accounts[person.customer] = account
        account.asked.append(self._handed_in(account, visited, group.start))

    def _pass_bank(self, person: Person) -> None:
        """Raises LookupError while the bank has not asked yet."""
        with self._engine.db.connect() as connection:
            found = connection.execute(_ASKED_BY_BANK, {"customer": person.customer}).scalars().all()
        if not found:
            message = "the bank has not asked"
            raise LookupError(message)
        self._banks.authenticate(found[0], success=True)

    async def _advance(self, group: Group, number: int) -> bool:
        """To the stop with this number, or behind the last one to the end. False when it does not arrive."""
        to = group.stops[number].at if number < len(group.stops) else group.end
        try:
            await persist(lambda: clocks.advance(self._engine, group.clock, to=to), PATIENCE_SECONDS, group.clock)
        except OutOfPatience:
            self.diary.stranded.append(f"{group.clock} on its way to {to:%Y-%m-%d}")
            return False
        return True

    async def _ask(self, group: Group, person: Person, number: int) -> None:
        for race, wishes in self._rounds(group, person, number):
            if race is not None:
                self._injected[race] += 1
            try:
                asked = await asyncio.gather(*(self._wish(group, person, number, n, wish) for n, wish in wishes))
                self.diary.accounts[person.customer].asked.append([each for wish in asked for each in wish])
            except OutOfPatience as error:
                self.diary.unanswered.append(f"{person.customer}: {error}")

    def _rounds(
        self, group: Group, person: Person, number: int
    ) -> Iterator[tuple[Kind | None, list[tuple[int, Wish]]]]:
        """What this person asks for at this stop; without its race a wish waits for its turn."""
        numbered = enumerate(person.wishes, 1)
        here = [(n, wish) for n, wish in numbered if group.stop_of(wish, self._kinds) == number]
        for race, wishes in groupby(here, key=lambda pair: pair[1].race):
            if race in self._kinds:
                yield race, list(wishes)
            else:
                yield from ((None, [wish]) for wish in wishes)

    async def _wish(self, group: Group, person: Person, number: int, n: int, wish: Wish) -> list[Asked]:
        account, stop = self.diary.accounts[person.customer], group.stops[number]
        key = f"{person.subscription}:{n}"
        if wish.visit is None:
            request = Request(account.subscription, wish, dict(wish.body), key, stop.at, person.currency)
            return [await self._portal.ask(request)]
        # Just before the renewal its invoice has still to be issued.
        waits = stop.place is Place.RENEWAL
        shopper = self._portal.shopper
        visited = await shopper.pay(wish.visit, person.customer, account.subscription, key, waits=waits)
        return self._handed_in(account, visited, stop.at)

    @staticmethod
    def _handed_in(account: Account, visited: Visited, at: datetime) -> list[Asked]:
        """What the page has asked of the subscription in the name of the customer: one command for each try."""
        account.cards |= {each.method: each.token for each in visited.tries.values()}
        account.told_paid |= {visited.invoice} if visited.paid and visited.invoice else set()
        asked = []
        for each in visited.tries.values():
            command = SetPaymentMethod(request_id=each.request_id, at=at, payment_method_id=each.method)
            asked.append(Asked(command, Answer.UNTOLD, window=visited.session))
        return asked

    async def _until_decided(self) -> None:
        """No bank still thinks about a charge: time on a clock can pass quicker than any bank decides."""

        async def decided() -> None:
            waiting = await self._engine.read(lambda session: session.execute(_UNDECIDED).scalar_one())
            if waiting:
                message = f"{waiting} undecided"
                raise LookupError(message)

        try:
            await persist(decided, PATIENCE_SECONDS, "banks")
        except OutOfPatience:
            self.diary.stranded.append("charges that no bank decides")

    async def _rest(self) -> None:
        """Raises LookupError while a message or webhook waits."""
        if count := await self._engine.read(_waiting):
            message = f"{count} wait"
            raise LookupError(message)


def _waiting(session: Session) -> int:
    letters = session.scalar(select(func.count()).where(OutboxMessage.delivered_at.is_(None)))
    return (letters or 0) + int(session.execute(_UNTOLD).scalar_one())


def steps(groups: Sequence[Group]) -> int:
    return sum(len(group.stops) + 2 for group in groups)
