"""Settings that are wrong stop the start with one line: which key, what was found, what is allowed."""

from pathlib import Path

import pytest

from rlfa.cli.serve import cluster_warning
from rlfa.config import load_service, parse_settings
from rlfa.errors import ConfigError, RlfaError
from streams.errors import StreamsError

STREAM = 'tx_id = "id"\nevent_time = "at"\namount = "amount"\n[entities]\ncustomer = "c"\nterminal = "t"\n'


def files(folder: Path, settings: str = "", stream: str = STREAM) -> Path:
    (folder / "rlfa.toml").write_text(settings)
    (folder / "stream.toml").write_text(stream)
    return folder / "rlfa.toml"


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    service = load_service(files(tmp_path))
    assert service.settings.lanes.count == 1
    assert service.database == f"sqlite:///{tmp_path}/.rlfa/state/rlfa.db"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("colour = 1", "rlfa.toml colour: found 1"),
        ("[lanes]\ncoun = 1", "rlfa.toml lanes.coun: found 1"),
        ("[lanes]\ncount = 0", "rlfa.toml lanes.count: found 0, allowed: int >= 1"),
        ("[lanes]\ncount = 'two'", "rlfa.toml lanes.count: found 'two', allowed: int"),
        (
            "[free_agency.probation]\nalpha = 1.5",
            "rlfa.toml free_agency.probation.alpha: found 1.5, allowed: float < 1",
        ),
        ("log_level = 'loud'", "rlfa.toml log_level: found 'loud'"),
        ("= 1", "allowed: TOML"),
    ],
)
def test_a_wrong_key_or_value_is_refused_in_one_line(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_settings(text, "rlfa.toml")
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_stream_spec_with_an_unknown_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StreamsError, match=r"stream.toml colour"):
        load_service(files(tmp_path, stream="colour = 1\n" + STREAM))


def test_several_lanes_are_refused_while_windows_cross_them(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"lanes.count: found 2, allowed: 1 while"):
        load_service(files(tmp_path, "[lanes]\ncount = 2"))
    assert load_service(files(tmp_path, "[lanes]\ncount = 2\nshards = 3")).settings.lanes.shards == 3


def test_fading_windows_are_refused_beside_several_lanes(tmp_path: Path) -> None:
    fading = STREAM + "\n[windows.decayed.customer]\nttl = '90d'\n"
    with pytest.raises(ConfigError, match="lanes: found '2 lanes, 3 shards', allowed: 1 lane and 0 shards"):
        load_service(files(tmp_path, "[lanes]\ncount = 2\nshards = 3", fading))
    assert load_service(files(tmp_path, "", fading)).spec.windows.decayed["customer"].ttl == "90d"


def test_a_cluster_entity_that_the_stream_does_not_have_is_refused(tmp_path: Path) -> None:
    clusters = "[free_agency.probation]\ncluster_entities = ['{}']"
    with pytest.raises(
        ConfigError, match=r"cluster_entities: found \['colour'\], allowed: entities of the stream: cust"
    ):
        load_service(files(tmp_path, clusters.format("colour")))
    named = load_service(files(tmp_path, clusters.format("customer")))
    assert named.settings.free_agency.probation.cluster_entities == ("customer",)


def test_serving_warns_where_nobody_said_what_fraud_takes_over(tmp_path: Path) -> None:
    assert "cluster_entities: none is named, so all count (customer" in cluster_warning(load_service(files(tmp_path)))
    named = "[free_agency.probation]\ncluster_entities = ['customer']"
    assert cluster_warning(load_service(files(tmp_path, named))) == ""


GENOMES = "[genomes.one]\n[genomes.same]\n[genomes.other]\nseed = 1\n"


@pytest.mark.parametrize(
    ("slots", "says"),
    [
        ('a = "nobody"', r"slots.a: found 'nobody', allowed: one of the genomes \['one', 'other', 'same'\]"),
        ('a = "one"\nb = "same"', r"slots.b: found 'same, equal to slots.a', allowed: a genome or a seed of its own"),
        ('a = "one"\nb = "one"', r"slots.b: found 'one, equal to slots.a'"),
    ],
)
def test_slots_have_genomes_of_their_own(slots: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=says):
        load_service(files(tmp_path, f"{GENOMES}[slots]\n{slots}\n"))


LINEUP = 'a = "one"\nb = "other"\n'


@pytest.mark.parametrize(
    ("segments", "says"),
    [
        ('b = "amount >"', r"segments.b: found 'amount >', allowed: an expression such as"),
        ('b = "colour == 1"', r"segments.b: found 'colour', allowed: one of the fields amount, hour, is_weekend"),
        ("b = \"amount > 'x'\"", r"segments.b: found .*, allowed: a number for amount"),
        ('c = "amount > 1"', r"segments.c: found 'amount > 1', allowed: a segment of one of the slots \['a', 'b'\]"),
        ('a = "amount > 1"\nb = "amount <= 1"', r"segments: found \['a', 'b'\], allowed: a slot without one"),
    ],
)
def test_a_segment_that_cannot_be_played_is_refused_in_one_line(segments: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=says) as refused:
        load_service(files(tmp_path, f"{GENOMES}[slots]\n{LINEUP}[segments]\n{segments}\n"))
    assert "\n" not in str(refused.value)


def test_a_slot_may_play_a_part_of_the_stream(tmp_path: Path) -> None:
    service = load_service(files(tmp_path, f"{GENOMES}[slots]\n{LINEUP}[segments]\nb = 'amount > 100 and hour < 6'\n"))
    assert service.settings.segments == {"b": "amount > 100 and hour < 6"}


def test_a_state_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(ConfigError, match=r"allowed: a folder that can be written"):
        load_service(files(tmp_path, 'state = "taken/state"'))


def test_missing_settings_are_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(RlfaError, match=r"allowed: a readable TOML file"):
        load_service(tmp_path / "none.toml")


SERVER = 'database = "postgresql://rlfa@db/rlfa"\n'


def test_the_password_of_the_database_comes_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RLFA_TEST_SECRET", "s@cret")
    service = load_service(files(tmp_path, SERVER + 'database_password_env = "RLFA_TEST_SECRET"'))
    assert service.database == "postgresql://rlfa:s%40cret@db/rlfa"
    assert "s@cret" not in repr(service)


def test_the_password_of_the_database_comes_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hidden\n")
    service = load_service(files(tmp_path, SERVER + f'database_password_file = "{tmp_path / "secret"}"'))
    assert service.database == "postgresql://rlfa:hidden@db/rlfa"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (SERVER + 'database_password_env = "RLFA_NOT_SET"', "allowed: a variable that is set"),
        (SERVER + 'database_password_file = "nowhere"', "allowed: a readable file"),
        ('database = "postgresql://rlfa:open@db/rlfa"', "allowed: no password; name its variable"),
        ('database = "rlfa.db"', "allowed: an SQLAlchemy URL"),
    ],
)
def test_a_database_that_cannot_be_named_or_would_show_its_password_is_refused(
    tmp_path: Path, text: str, says: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        load_service(files(tmp_path, text))
    assert says in str(refused.value)
    assert ":open@" not in str(refused.value)
