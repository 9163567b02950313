"""What happens in a simulated stream: its size, its habits, its fraud campaigns and how late labels come."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Any, Self

import msgspec
from msgspec import Meta

from streams.errors import QUOTED, NotAllowedError

DAY_MS = 86_400_000

Share = Annotated[float, Meta(ge=0, le=1)]
Days = Annotated[float, Meta(gt=0, le=365)]
Factor = Annotated[float, Meta(gt=0, le=1000)]
DayNumber = Annotated[int, Meta(ge=-365, le=9999)]


class ScenarioError(NotAllowedError):
    """A scenario that can't be simulated."""

    template = QUOTED


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """New values of a campaign's parameters, for the incidents that begin on that day or later."""

    day: DayNumber
    """First day of the new values."""
    set: dict[str, int | float]
    """Parameter to new value."""


class Campaign(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"):
    """What every kind of campaign has."""

    name: str
    """Shown in the column `campaign`; unique in a scenario."""
    start_day: DayNumber = 0
    """First day of new incidents; negative for one that is under way when the stream begins."""
    end_day: DayNumber | None = None
    """First day without its frauds; it never ends when missing."""
    intensity: Annotated[float, Meta(ge=0, le=1000)] = 2.0
    """Expected frauds per 1,000 genuine transactions, once the campaign is under way."""
    night_share: Share = 0.1
    """Share of frauds between 0:00 and 6:00."""
    amount_factor: Factor = 1.0
    """Amounts are so many times those of a genuine transaction in the same category."""
    changes: tuple[Change, ...] = ()
    """New values from a day on, in order of days."""

    def at(self, day: int) -> Self:
        """The campaign with the values that hold for incidents beginning on a day."""
        values: dict[str, int | float] = {}
        for change in self.changes:
            if change.day <= day:
                values |= change.set
        return msgspec.structs.replace(self, **values) if values else self

    def runs_on(self, day: int) -> bool:
        """Whether incidents begin on a day."""
        return day >= self.start_day and (self.end_day is None or day < self.end_day)

    @property
    def lasts_days(self) -> float:
        """Longest time from the beginning of an incident to its last fraud, days."""
        raise NotImplementedError

    @property
    def frauds_expected(self) -> float:
        """Mean frauds of an incident."""
        raise NotImplementedError


class StolenCard(Campaign, frozen=True, kw_only=True, tag="stolen_card"):
    """A thief buys dear things at terminals where the customer never was, until the card is blocked."""

    amount_factor: Factor = 2.2
    duration_days: Days = 3.0
    """From the theft to the block."""
    frauds_per_day: Factor = 2.5
    """Mean frauds a day with one card."""
    ecom_share: Share = 0.35
    """Share of frauds at online merchants."""

    @property
    def lasts_days(self) -> float:
        """See `Campaign`."""
        return self.duration_days + 1

    @property
    def frauds_expected(self) -> float:
        """See `Campaign`."""
        return max(1.0, self.frauds_per_day * self.duration_days)


class CompromisedTerminal(Campaign, frozen=True, kw_only=True, tag="compromised_terminal"):
    """A terminal is tampered with: frauds there, with cards of its regular customers."""

    amount_factor: Factor = 1.4
    duration_days: Days = 10.0
    """From the tampering to its discovery."""
    frauds_per_day: Factor = 2.0
    """Mean frauds a day at one terminal."""

    @property
    def lasts_days(self) -> float:
        """See `Campaign`."""
        return self.duration_days + 1

    @property
    def frauds_expected(self) -> float:
        """See `Campaign`."""
        return max(1.0, self.frauds_per_day * self.duration_days)


class CardTesting(Campaign, frozen=True, kw_only=True, tag="card_testing"):
    """Bursts of tiny online amounts over many cards; the cards that answer pay something big hours later."""

    night_share: Share = 0.4
    cards_per_burst: Annotated[int, Meta(ge=1, le=10_000)] = 12
    """Cards tried in one burst."""
    burst_minutes: Annotated[float, Meta(gt=0, le=1440)] = 40.0
    """Length of a burst."""
    test_amount_max: Factor = 4.0
    """Largest amount of a test."""
    cash_out_share: Share = 0.35
    """Share of tested cards that are used for a big purchase."""
    cash_out_hours: Annotated[float, Meta(gt=0, le=240)] = 8.0
    """Median time from the test to the purchase."""

    @property
    def lasts_days(self) -> float:
        """See `Campaign`: the purchase comes at most ten medians after the test."""
        return 2.0 + self.cash_out_hours * 10 / 24

    @property
    def frauds_expected(self) -> float:
        """See `Campaign`."""
        return self.cards_per_burst * (1 + self.cash_out_share)


class AccountTakeover(Campaign, frozen=True, kw_only=True, tag="account_takeover"):
    """Somebody else logs in: a new device, night hours, merchants that the customer never used."""

    night_share: Share = 0.8
    amount_factor: Factor = 1.2
    duration_days: Days = 2.0
    """From the first login to the reset of the password."""
    frauds_per_day: Factor = 2.5
    """Mean frauds a day with one account."""

    @property
    def lasts_days(self) -> float:
        """See `Campaign`."""
        return self.duration_days + 1

    @property
    def frauds_expected(self) -> float:
        """See `Campaign`."""
        return max(1.0, self.frauds_per_day * self.duration_days)


class MerchantCollusion(Campaign, frozen=True, kw_only=True, tag="merchant_collusion"):
    """A merchant charges cards that it was sold: round amounts of middle size, each card once or twice."""

    duration_days: Days = 14.0
    """From the first charge until the acquirer ends the contract."""
    frauds_per_day: Factor = 6.0
    """Mean frauds a day at one merchant."""
    amount_step: Factor = 10.0
    """Amounts are multiples of it."""
    amount_median: Factor = 80.0
    """Median amount."""

    @property
    def lasts_days(self) -> float:
        """See `Campaign`."""
        return self.duration_days + 1

    @property
    def frauds_expected(self) -> float:
        """See `Campaign`."""
        return max(1.0, self.frauds_per_day * self.duration_days)


AnyCampaign = StolenCard | CompromisedTerminal | CardTesting | AccountTakeover | MerchantCollusion


class LabelDelays(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When the truth becomes known: lognormal delays, capped."""

    chargeback_median_days: Days = 1.5
    """Median delay of a chargeback."""
    analyst_share: Share = 0.3
    """Share of reported frauds that an analyst finds; the rest are chargebacks."""
    analyst_median_days: Days = 0.4
    """Median delay of an analyst's label."""
    spread: Annotated[float, Meta(ge=0, le=3)] = 0.5
    """Standard deviation of the logarithm of a delay."""
    max_days: Days = 4.0
    """No label comes later."""
    never_reported_share: Share = 0.0
    """Share of frauds that nobody reports."""
    genuine_share: Share = 0.0
    """Share of genuine transactions that an analyst labels as such."""


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All that a simulated stream depends on, besides its seed."""

    start: dt.date = dt.date(2025, 1, 1)
    """Day 0, UTC."""
    transactions_per_day: Annotated[int, Meta(ge=1, le=10_000_000)] = 6000
    """Expected genuine transactions on a working day."""
    customers: Annotated[int, Meta(ge=10, le=5_000_000)] = 4000
    """Customers of the portfolio."""
    terminals: Annotated[int, Meta(ge=50, le=5_000_000)] = 2000
    """Shops, online merchants and cash machines."""
    online_merchant_share: Annotated[float, Meta(ge=0.02, le=0.9)] = 0.15
    """Share of terminals that are online merchants."""
    cash_machine_share: Annotated[float, Meta(ge=0.02, le=0.5)] = 0.05
    """Share of terminals that are cash machines."""
    ecom_share: Share = 0.3
    """Share of genuine transactions at online merchants, over all customers."""
    atm_share: Share = 0.05
    """Share of genuine transactions at cash machines."""
    explore_share: Share = 0.08
    """Share of genuine transactions at a terminal that is none of the customer's preferred ones."""
    second_card_share: Share = 0.3
    """Share of customers with a second card."""
    new_device_share: Share = 0.02
    """Share of genuine online transactions from a device that the customer had not used."""
    weekend_factor: Factor = 1.15
    """Transactions on a Saturday or Sunday, against a working day."""
    activity_spread: Annotated[float, Meta(ge=0, le=2)] = 0.7
    """Standard deviation over customers of the logarithm of transactions a day."""
    amount_spread: Annotated[float, Meta(ge=0, le=2)] = 0.35
    """Standard deviation over customers of the logarithm of amounts."""
    reissue_days: Days = 2.0
    """From a card's last fraud to the customer's new card."""
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")] = "EUR"
    """Of every transaction."""
    labels: LabelDelays = LabelDelays()
    """When the truth becomes known."""
    campaigns: tuple[AnyCampaign, ...] = (
        StolenCard(name="stolen_cards", intensity=3.0, start_day=-10),
        CompromisedTerminal(name="compromised_terminals", intensity=3.0, start_day=-20),
    )
    """Fraud campaigns."""

    @property
    def start_ms(self) -> int:
        """Beginning of day 0, ms UTC."""
        return (self.start - dt.date(1970, 1, 1)).days * DAY_MS

    def scaled(self, transactions_per_day: int) -> Scenario:
        """The same world with another number of transactions; customers and terminals grow along.

        Raises:
            ScenarioError: a number is out of its bounds.
        """
        factor = transactions_per_day / self.transactions_per_day
        scaled = msgspec.structs.replace(
            self,
            transactions_per_day=transactions_per_day,
            customers=max(10, round(self.customers * factor)),
            terminals=max(50, round(self.terminals * factor)),
        )
        return checked(scaled, "scenario")


def load_scenario(path: Path) -> Scenario:
    """Read a scenario's TOML file.

    Raises:
        ScenarioError: the file can't be read, a key is unknown, a value is out of bounds.
    """
    try:
        text = path.read_text()
    except OSError as error:
        raise ScenarioError(str(path), error.strerror, "a readable TOML file") from error
    return parse_scenario(text, str(path))


def parse_scenario(text: str, where: str = "scenario") -> Scenario:
    """A scenario from TOML.

    Raises:
        ScenarioError: it isn't TOML, a key is unknown, a value is out of bounds.
    """
    try:
        return checked(msgspec.toml.decode(text, type=Scenario), where)
    except msgspec.DecodeError as error:
        raise ScenarioError(where, str(error), "a scenario as in docs/reference/simulator.md") from error


def checked(scenario: Scenario, where: str) -> Scenario:
    """The same scenario, if all its numbers are in bounds, its changes and names included.

    Raises:
        ScenarioError: with what was found.
    """
    _validate(scenario, Scenario, where)
    other = scenario.online_merchant_share + scenario.cash_machine_share
    if other > 0.95:
        raise ScenarioError(f"{where} online_merchant_share + cash_machine_share", other, "at most 0.95")
    names = [campaign.name for campaign in scenario.campaigns]
    if len(set(names)) < len(names):
        raise ScenarioError(f"{where} campaigns", sorted(names), "a different name for each")
    for campaign in scenario.campaigns:
        for change in campaign.changes:
            _refuse_unknown(change, campaign, where)
            _validate(campaign.at(change.day), type(campaign), f"{where} {campaign.name}")
    return scenario


def _refuse_unknown(change: Change, campaign: Campaign, where: str) -> None:
    allowed = set(campaign.__struct_fields__) - {"name", "start_day", "end_day", "changes"}
    unknown = sorted(set(change.set) - allowed)
    if unknown:
        raise ScenarioError(f"{where} {campaign.name} changes", unknown, f"any of {sorted(allowed)}")


def _validate(value: msgspec.Struct, kind: type[msgspec.Struct], where: str) -> None:
    plain: Any = msgspec.to_builtins(value)
    try:
        msgspec.convert(plain, kind)
    except msgspec.ValidationError as error:
        raise ScenarioError(where, str(error), "a value in the bounds of docs/reference/simulator.md") from error
