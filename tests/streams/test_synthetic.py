"""The simulator: a day is a function of scenario, seed and number, and holds what it promises."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.synthetic import Scenario, ScenarioError, Simulator, load_scenario, write_parquet
from streams.synthetic.scenario import (
    DAY_MS,
    AccountTakeover,
    AnyCampaign,
    CardTesting,
    Change,
    CompromisedTerminal,
    LabelDelays,
    MerchantCollusion,
    StolenCard,
    parse_scenario,
)
from streams.synthetic.tables import LABELS, TRANSACTIONS, TRUTH

KINDS: tuple[AnyCampaign, ...] = (
    StolenCard(name="stolen", start_day=-4),
    CompromisedTerminal(name="compromised", start_day=-4),
    CardTesting(name="testing", start_day=-4),
    AccountTakeover(name="takeover", start_day=-4),
    MerchantCollusion(name="collusion", start_day=-4),
)


def scenario(**changes: object) -> Scenario:
    small = Scenario(transactions_per_day=1500, customers=600, terminals=300, campaigns=KINDS)
    return msgspec.structs.replace(small, **changes)


def with_campaign(campaign: AnyCampaign) -> Scenario:
    return scenario(campaigns=(campaign,))


def transactions(simulator: Simulator, first: int, last: int) -> pa.Table:
    return pa.Table.from_batches([day.transactions for day in simulator.days(first, last)])


def frauds(simulator: Simulator, first: int, last: int) -> pa.Table:
    table = transactions(simulator, first, last)
    return table.filter(table.column("is_fraud"))


def hours(table: pa.Table) -> np.ndarray:
    return table.column("event_time").to_numpy() % DAY_MS / 3_600_000


@settings(max_examples=15, deadline=None)
@given(order=st.lists(st.integers(0, 9), min_size=1, max_size=5))
def test_a_day_is_the_same_whichever_days_were_made_before(order: list[int]) -> None:
    simulator = Simulator(scenario(), seed=3)
    for number in order:
        made, alone = simulator.day(number), Simulator(scenario(), seed=3).day(number)
        assert made.transactions.equals(alone.transactions)
        assert made.labels.equals(alone.labels)


def test_another_seed_is_another_stream() -> None:
    first, second = (Simulator(scenario(), seed).day(0).transactions for seed in (0, 1))
    assert not first.equals(second)


def test_a_seed_gives_the_same_files_twice(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write_parquet(Simulator(scenario(), 5).days(0, 3), tmp_path / folder)
    for name in ("transactions.parquet", "labels.parquet"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_day_has_ordered_times_unique_ids_and_amounts_in_cents() -> None:
    simulator = Simulator(scenario(), 0)
    table = transactions(simulator, 0, 4)
    time = table.column("event_time").to_numpy()
    amount = table.column("amount").to_numpy()
    assert table.schema == TRANSACTIONS
    assert (np.diff(time) >= 0).all()
    assert (time // DAY_MS).min() * DAY_MS == simulator.scenario.start_ms
    assert pc.count_distinct(table.column("tx_id")).as_py() == len(table)
    assert (amount > 0).all()
    assert (amount == np.round(amount, 2)).all()
    assert all(table.column(name).null_count == 0 for name in table.column_names if name not in TRUTH)


def test_transactions_come_at_the_wanted_rate() -> None:
    simulator = Simulator(scenario(campaigns=(), weekend_factor=1.0), 0)
    assert len(transactions(simulator, 0, 20)) == pytest.approx(20 * 1500, rel=0.03)


def test_no_identifier_could_be_a_card_number() -> None:
    table = transactions(Simulator(scenario(), 0), 0, 2)
    for name in ("tx_id", "customer_id", "card_id", "terminal_id", "device_id"):
        digits = pc.utf8_length(pc.replace_substring_regex(table.column(name), r"\D", ""))
        assert pc.max(digits).as_py() < 13  # the shortest card numbers have 13 digits


def test_customers_return_to_their_terminals() -> None:
    table = transactions(Simulator(scenario(campaigns=(), explore_share=0.0), 0), 0, 20)
    pairs = table.group_by(["customer_id", "terminal_id"]).aggregate([])
    assert len(pairs) < len(table) / 3


@pytest.mark.parametrize("campaign", KINDS, ids=lambda campaign: campaign.name)
def test_a_campaign_has_its_intensity_and_its_name(campaign: AnyCampaign) -> None:
    strong = msgspec.structs.replace(campaign, intensity=20.0, start_day=-20)
    table = transactions(Simulator(with_campaign(strong), 1), 0, 20)
    is_fraud = table.column("is_fraud").to_numpy()
    assert is_fraud.sum() / (~is_fraud).sum() == pytest.approx(0.02, rel=0.4)
    named = pc.equal(table.column("campaign"), campaign.name).fill_null(False).to_numpy()
    assert (named == is_fraud).all()


@pytest.mark.parametrize("campaign", KINDS, ids=lambda campaign: campaign.name)
def test_a_campaign_starts_and_ends_on_its_days(campaign: AnyCampaign) -> None:
    short = msgspec.structs.replace(campaign, intensity=20.0, start_day=3, end_day=7)
    day = frauds(Simulator(with_campaign(short), 1), 0, 12).column("tx_id").to_numpy()
    days = {int(tx_id[1:5]) for tx_id in day}
    assert days <= {3, 4, 5, 6}
    assert {4, 5} <= days


def test_a_change_in_the_middle_holds_from_its_day_on() -> None:
    change = Change(day=5, set={"intensity": 40.0})
    testing = CardTesting(name="t", intensity=2.0, start_day=-5, changes=(change,))
    simulator = Simulator(with_campaign(testing), 2)
    assert len(frauds(simulator, 6, 10)) > 5 * len(frauds(simulator, 1, 5))


def test_stolen_cards_pay_more_than_their_owners() -> None:
    simulator = Simulator(with_campaign(StolenCard(name="s", intensity=20.0, start_day=-4)), 1)
    table = transactions(simulator, 0, 5)
    fraud = table.column("is_fraud").to_numpy()
    amount = table.column("amount").to_numpy()
    assert np.median(amount[fraud]) > 3 * np.median(amount[~fraud])


def test_compromised_terminals_hit_few_terminals_and_their_regulars() -> None:
    campaign = CompromisedTerminal(name="c", intensity=20.0, start_day=-10, frauds_per_day=5.0)
    found = frauds(Simulator(with_campaign(campaign), 1), 0, 5)
    assert pc.count_distinct(found.column("terminal_id")).as_py() < len(found) / 5


def test_card_testing_is_many_cards_with_tiny_amounts_then_some_big_ones() -> None:
    campaign = CardTesting(name="t", intensity=20.0, test_amount_max=3.0, cash_out_share=0.3)
    found = frauds(Simulator(with_campaign(campaign), 1), 0, 6)
    amount = found.column("amount").to_numpy()
    tests = found.filter(pa.array(amount <= 3.0))
    assert 0.6 < len(tests) / len(found) < 0.9
    assert np.median(amount[amount > 3.0]) > 20
    assert set(found.column("channel").to_pylist()) == {"ecom"}


def test_account_takeover_is_at_night_from_devices_never_seen() -> None:
    campaign = AccountTakeover(name="a", intensity=20.0, night_share=0.9)
    table = transactions(Simulator(with_campaign(campaign), 1), 0, 6)
    fraud = table.column("is_fraud").to_numpy()
    assert (hours(table)[fraud] < 6).mean() > 0.8
    devices = table.column("device_id").to_numpy()
    assert not set(devices[fraud]) & set(devices[~fraud])


def test_colluding_merchants_charge_round_amounts() -> None:
    campaign = MerchantCollusion(name="m", intensity=20.0, start_day=-5, amount_step=10.0)
    amount = frauds(Simulator(with_campaign(campaign), 1), 0, 5).column("amount").to_numpy()
    assert (amount % 10 == 0).all()


def test_a_compromised_card_is_replaced_after_its_last_fraud() -> None:
    campaign = StolenCard(name="s", intensity=10.0, start_day=0, end_day=3)
    simulator = Simulator(scenario(campaigns=(campaign,), reissue_days=2.0), 1)
    stolen = set(frauds(simulator, 0, 3).column("card_id").to_pylist())
    later = set(transactions(simulator, 8, 12).column("card_id").to_pylist())
    assert stolen
    assert not stolen & later


def test_labels_come_late_within_the_cap_and_only_for_frauds() -> None:
    delays = LabelDelays(max_days=3.0, chargeback_median_days=2.0)
    day = Simulator(scenario(labels=delays), 1).day(5)
    time = dict(
        zip(
            day.transactions.column("tx_id").to_pylist(),
            day.transactions.column("event_time").to_pylist(),
            strict=True,
        )
    )
    late = [
        known - time[tx_id]
        for tx_id, known in zip(*(day.labels.column(name).to_pylist() for name in ("tx_id", "event_time")), strict=True)
    ]
    assert day.labels.schema == LABELS
    assert len(late) == day.transactions.column("is_fraud").to_numpy(zero_copy_only=False).sum()
    assert all(0 < delay <= 3 * DAY_MS for delay in late)
    assert day.labels.column("is_fraud").to_pylist() == [True] * len(late)
    assert set(day.labels.column("source").to_pylist()) == {"chargeback", "analyst"}


def test_some_frauds_may_never_be_reported_and_some_genuine_ones_looked_at() -> None:
    silent = Simulator(scenario(labels=LabelDelays(never_reported_share=1.0)), 1).day(0)
    looked_at = Simulator(scenario(labels=LabelDelays(genuine_share=0.5)), 1).day(0)
    assert silent.labels.num_rows == 0
    assert looked_at.labels.num_rows > 500


def test_a_larger_world_keeps_its_shape() -> None:
    larger = Scenario().scaled(60_000)
    assert (larger.customers, larger.terminals) == (40_000, 20_000)


def test_a_scenario_file_is_read_with_its_campaigns(tmp_path: Path) -> None:
    path = tmp_path / "scenario.toml"
    path.write_text(
        """
        transactions_per_day = 500
        [labels]
        max_days = 2.0
        [[campaigns]]
        kind = "card_testing"
        name = "spring"
        start_day = 10
        [[campaigns.changes]]
        day = 12
        set = { cards_per_burst = 30, intensity = 5.0 }
        """
    )
    (campaign,) = load_scenario(path).campaigns
    assert isinstance(campaign, CardTesting)
    assert (campaign.at(11).cards_per_burst, campaign.at(12).cards_per_burst) == (12, 30)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nonsense = 1", "nonsense"),
        ("transactions_per_day = 0", "transactions_per_day"),
        ("not toml", "scenario"),
        ("online_merchant_share = 0.9\ncash_machine_share = 0.2", "online_merchant_share"),
        ('campaigns = [{kind = "theft", name = "x"}]', "theft"),
        (
            'campaigns = [{kind = "stolen_card", name = "x"}, {kind = "card_testing", name = "x"}]',
            "different",
        ),
        ('campaigns = [{kind = "stolen_card", name = "x", changes = [{day = 1, set = {name = 2}}]}]', "name"),
        (
            'campaigns = [{kind = "stolen_card", name = "x", changes = [{day = 1, set = {intensity = -2}}]}]',
            ">= 0",
        ),
    ],
)
def test_a_wrong_scenario_is_refused_in_one_line(text: str, told: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(text)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_day_out_of_range_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="No such file"):
        load_scenario(tmp_path / "none.toml")
    with pytest.raises(ScenarioError, match="day"):
        Simulator(scenario(), 0).day(-1)
