"""The scenarios of docs/order.md, through the connector's folders; each test's name is the scenario's."""

import itertools
import json
import os
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from renkei.cli.ministry import app
from renkei.domain.layouts import Layout, read, write
from renkei.domain.notices import TYPES, ImportResult, Inquiry, Notice, StatusNotice
from renkei.ministry import identities, replies
from renkei.ministry.cases import read_waiting
from renkei.ministry.connector import Connector
from renkei.ministry.handover import Handover
from renkei.ministry.lives import notices_of_lives
from renkei.ministry.settings import ConnectorSettings
from unit.examples import examples

from .lives import (
    ADDRESS,
    CARD,
    CHUO,
    DAY,
    PLACE,
    SHINJUKU,
    UTASHINAI,
    WHO,
    amended,
    card_handed_out,
    moved_in,
    moved_out,
)

TODAY = date(2026, 11, 23)


class Ministry:
    """A connector on folders of its own, with a clock that the test moves."""

    def __init__(self, folder: Path) -> None:
        for name in ("drop/to-municipalities", "drop/from-municipalities", "agent/outbox", "agent/inbox"):
            (folder / name).mkdir(parents=True)
        rows = [
            {
                "asset_number": f"T-{code}",
                "endpoint": code,
                "machine_serial": "X",
                "state": "in_service",
                "place": place,
            }
            for code, place in PLACE.items()
        ]
        (folder / "terminals.json").write_text(json.dumps(rows))
        self.settings = ConnectorSettings(
            drop=folder / "drop",
            agent=folder / "agent",
            state=folder / "state",
            terminals=folder / "terminals.json",
            settle_seconds=0,
        )
        self.now = datetime(2026, 11, 23, 0, 0, tzinfo=UTC)
        self._files = itertools.count(1)

    def run(self, at: Callable[[str], None] = lambda _moment: None) -> None:
        connector = Connector(self.settings, at=at, clock=lambda: self.now)
        try:
            connector.run_once()
        finally:
            connector.close()

    def arrive(self, *notices: Notice) -> None:
        """Bring notices, each in a parcel of its own, and let the connector work after each."""
        for notice in notices:
            self.bring(notice)
            self.run()

    def bring(self, notice: Notice) -> None:
        folder = self.settings.agent / "inbox" / notice.municipality
        folder.mkdir(exist_ok=True)
        path = folder / f"{notice.STREAM}-{next(self._files):08d}-0a1b2c3d.csv"
        path.write_bytes(write([notice], Layout()))

    def say(self, *notices: Notice) -> None:
        """Let the immigration system say something."""
        for notice in notices:
            path = self.settings.drop / "to-municipalities" / f"{next(self._files)}.csv"
            path.write_bytes(write([notice], Layout()))
        self.run()

    def result(self, place: str, target: str, result: str, **more: str) -> None:
        number = f"I-{next(self._files)}"
        self.say(
            ImportResult(number=number, municipality=place, target=target, result=result, processed_on=TODAY, **more)
        )

    @property
    def collected(self) -> list[str]:
        """The numbers that the immigration system got, in order."""
        return [notice.number for _, notice in self._collected()]

    @property
    def overtaken(self) -> list[str]:
        return [notice.number for path, notice in self._collected() if "overtaken" in path.name]

    def _collected(self) -> Iterator[tuple[Path, Notice]]:
        for path in sorted((self.settings.drop / "from-municipalities").glob("[!.]*")):
            for notice in read(BytesIO(path.read_bytes()), TYPES).notices:
                yield path, notice

    def told(self, place: str) -> list[Notice]:
        """What went to a municipality."""
        return [
            notice
            for path in sorted((self.settings.agent / "outbox" / place).glob("[!.]*"))
            for notice in read(BytesIO(path.read_bytes()), TYPES).notices
        ]

    @property
    def waiting(self) -> list[tuple[str, str, str]]:
        return [(each.number, each.reason, each.waits_for) for each in read_waiting(self.settings.database)]


@pytest.fixture
def ministry(tmp_path: Path) -> Ministry:
    return Ministry(tmp_path)


def test_move_in_and_move_out_cross(ministry: Ministry) -> None:
    ministry.arrive(moved_in(SHINJUKU, "in-1", CHUO))
    assert ministry.waiting == [("in-1", "crossing", CHUO)]
    ministry.arrive(moved_out(CHUO, "out-1"))
    assert ministry.collected == ["out-1", "in-1"]
    assert ministry.overtaken == []


def test_move_in_and_out_on_one_day(ministry: Ministry) -> None:
    ministry.arrive(
        moved_in(UTASHINAI, "in2", SHINJUKU),
        moved_in(SHINJUKU, "in1", CHUO),
        moved_out(SHINJUKU, "out2"),
        moved_out(CHUO, "out1"),
    )
    assert ministry.collected == ["out1", "in1", "out2", "in2"]


def test_correction_of_a_correction(ministry: Ministry) -> None:
    ministry.arrive(amended(CHUO, "3", corrects="2"))
    (asked,) = ministry.told(CHUO)
    assert isinstance(asked, Inquiry)
    assert (asked.kind, asked.target) == ("再送依頼", "2")
    ministry.arrive(amended(CHUO, "2", corrects="1"), amended(CHUO, "1"))
    assert ministry.collected == ["1", "2", "3"]


def test_correction_of_what_never_came(ministry: Ministry, caplog: pytest.LogCaptureFixture) -> None:
    ministry.arrive(amended(CHUO, "2", corrects="1"))
    ministry.now += timedelta(days=7)
    ministry.run()
    assert ministry.collected == ["2"]
    assert "notice 2 of 011011 went on without what it had waited for (correction)" in caplog.text
    assert len(ministry.told(CHUO)) == 1, "asked once"


def test_somebody_not_known_yet(ministry: Ministry, caplog: pytest.LogCaptureFixture) -> None:
    ministry.arrive(card_handed_out(CHUO, "card-1"))
    ministry.result(CHUO, "card-1", "未取込", reason="該当者なし")
    assert [type(each) for each in ministry.told(CHUO)] == [ImportResult, Inquiry]
    ministry.arrive(card_handed_out(CHUO, "card-1"))  # the answer: the same notice once more
    ministry.result(CHUO, "card-1", "未取込", reason="該当者なし")
    assert len(ministry.told(CHUO)) == 3, "asked once"
    ministry.now += timedelta(days=4)
    ministry.run()
    assert "notice card-1 of 011011: the immigration system knows nobody like that" in caplog.text
    assert ministry.waiting == [("card-1", "unknown", "")]
    ministry.say(_status(CHUO))
    assert ministry.collected == ["card-1", "card-1", "card-1"], (
        "offered again, because somebody with that card is known now"
    )
    ministry.result(CHUO, "card-1", "取込済")
    assert ministry.waiting == []


def test_a_correction_takes_the_place_of_what_could_not_be_placed(ministry: Ministry) -> None:
    ministry.arrive(card_handed_out(CHUO, "card-1", card_number="ZZ99999999ZZ"))
    ministry.result(CHUO, "card-1", "未取込", reason="該当者なし")
    ministry.arrive(card_handed_out(CHUO, "card-2", corrects="card-1"))
    ministry.result(CHUO, "card-2", "取込済")
    assert ministry.collected == ["card-1", "card-2"]
    assert ministry.waiting == []


def test_overtaken_by_media(ministry: Ministry, caplog: pytest.LogCaptureFixture) -> None:
    ministry.arrive(moved_in(SHINJUKU, "in-1", UTASHINAI))
    ministry.now += timedelta(hours=24)
    ministry.run()
    assert ministry.collected == ["in-1"]
    assert "went on without what it had waited for (crossing)" in caplog.text
    ministry.arrive(moved_out(UTASHINAI, "out-1"))
    assert ministry.collected == ["in-1", "out-1"]
    assert ministry.overtaken == ["out-1"]


def test_nothing_waits_long_for_a_municipality_that_never_says_who_left(ministry: Ministry) -> None:
    """Every municipality is taken to send 市町村通知, until it has spoken for a week without."""
    other = {"name": "KIM MINJI", "kanji_name": None, "card_number": "XX00000000XX", "birth_date": "1971-05-05"}
    ministry.arrive(moved_in(CHUO, "other-1", UTASHINAI, **other))
    ministry.now += timedelta(days=8)
    ministry.arrive(moved_in(SHINJUKU, "in-1", CHUO))
    assert ministry.collected == ["other-1", "in-1"]
    ministry.arrive(moved_out(CHUO, "out-2", **other, departs_on=DAY + timedelta(days=1)))
    ministry.arrive(moved_in(SHINJUKU, "in-2", CHUO, **WHO | {"birth_date": "1991-01-01"}, card_number="YY00000000YY"))
    assert ministry.waiting == [("in-2", "crossing", CHUO)], "it does say so by now"


def test_what_was_known_of_municipalities_stays_known_to_newer_software(ministry: Ministry) -> None:
    ministry.settings.state.mkdir()
    before = Handover(ministry.settings.database, more=(identities.SCHEMA + replies.SCHEMA,))

    def fill(connection: apsw.Connection) -> None:
        connection.execute("insert into people default values")
        for place, number in ((CHUO, "1"), (UTASHINAI, "2")):
            connection.execute(
                "insert into notices (person, place, number, type, act, day, received_at, state, content_mark)"
                " values (1, ?, ?, 0, 'other', '2026-11-01', '2026-11-01T00:00:00Z', 'imported', x'')",
                (place, number),
            )
        connection.execute("insert into senders values (?)", (CHUO,))

    before.write(fill)
    before.close()
    ministry.arrive(moved_in(SHINJUKU, "in-1", UTASHINAI))
    assert ministry.collected == ["in-1"], "it has long said nothing of whom it registers"
    ministry.arrive(moved_in(SHINJUKU, "in-2", CHUO, card_number="YY00000000YY", birth_date="1991-01-01"))
    assert ministry.waiting == [("in-2", "crossing", CHUO)]


@settings(max_examples=examples(8), deadline=None)
@given(seed=st.integers(0, 10**12), order=st.permutations(list(PLACE)), last_first=st.booleans())
def test_a_world_goes_on_whole_whoever_comes_first(seed: int, order: list[str], *, last_first: bool) -> None:
    """Nothing was heard of anybody before; who comes first may name what another has yet to say."""
    lives = notices_of_lives(PLACE, 30, seed, TODAY)
    with TemporaryDirectory() as folder:
        ministry = Ministry(Path(folder))
        for place in order:
            own = [[each for each in life if each.TO_MINISTRY and each.municipality == place] for life in lives]
            for life in reversed(own) if last_first else own:
                for notice in life:
                    ministry.bring(notice)
            ministry.run()
        assert ministry.waiting == []
        assert sorted(ministry.collected) == sorted(each.number for life in lives for each in life if each.TO_MINISTRY)


def test_the_same_notice_twice(ministry: Ministry) -> None:
    ministry.arrive(amended(CHUO, "1"), amended(CHUO, "1"))
    assert ministry.collected == ["1"]
    ministry.arrive(amended(CHUO, "1", changed_items="性別"))
    assert ministry.collected == ["1"]
    (refused,) = ministry.told(CHUO)
    assert isinstance(refused, ImportResult)
    assert (refused.target, refused.result, refused.error_item) == ("1", "エラー", "通知番号")


def test_numbers_of_two_municipalities_are_two(ministry: Ministry) -> None:
    other = {"name": "LEE JUN", "kanji_name": None, "card_number": "LL00000000LL", "birth_date": "1980-01-01"}
    ministry.arrive(amended(CHUO, "1"), amended(SHINJUKU, "1", **other))
    assert ministry.collected == ["1", "1"]


@pytest.mark.parametrize(
    ("state", "result"),
    [("taken", "未取込"), ("imported", "取込済"), ("failed", "エラー"), ("never came", "不明")],
)
def test_what_became_of_a_notice(ministry: Ministry, state: str, result: str) -> None:
    if state != "never came":
        ministry.arrive(amended(CHUO, "1"))
    if state == "imported":
        ministry.result(CHUO, "1", "取込済")
    if state == "failed":
        ministry.result(CHUO, "1", "エラー", error_item="在留カード番号", reason="失効したカードの番号です。")
    ministry.arrive(Inquiry(number="Q-1", municipality=CHUO, kind="状態照会", target="1"))
    answer = ministry.told(CHUO)[-1]
    assert isinstance(answer, ImportResult)
    assert (answer.target, answer.result) == ("1", result)
    assert "Q-1" not in ministry.collected, "the connector answers by itself"


def test_results_and_requests_to_send_again_go_both_ways_at_once(ministry: Ministry) -> None:
    again = Inquiry(number="Q-1", municipality=CHUO, kind="再送依頼", target="M-1")
    done = ImportResult(number="A-1", municipality=CHUO, target="M-2", result="取込済", processed_on=TODAY)
    ministry.arrive(again, done)
    assert ministry.collected == ["Q-1", "A-1"]
    ministry.say(Inquiry(number="Q-2", municipality=CHUO, kind="状態照会", target="1"))
    assert [each.number for each in ministry.told(CHUO)] == ["Q-2"]


def test_after_a_year_only_what_waits_is_left(ministry: Ministry) -> None:
    ministry.arrive(amended(CHUO, "done-1"), card_handed_out(UTASHINAI, "card-1", card_number="ZZ99999999ZZ"))
    ministry.result(UTASHINAI, "card-1", "未取込", reason="該当者なし")
    rejected = ministry.settings.state / "rejected" / "old.csv"
    rejected.write_bytes(b"")
    os.utime(rejected, (0, 0))
    ministry.now += timedelta(days=366)
    ministry.run()
    assert not rejected.exists()
    assert ministry.waiting == [("card-1", "unknown", "")]
    ministry.arrive(amended(CHUO, "done-1"))
    assert ministry.collected.count("done-1") == 2, "forgotten, so it is a new one"


def test_no_name_and_no_number_of_a_card_stays_once_it_is_imported(ministry: Ministry) -> None:
    ministry.arrive(moved_in(SHINJUKU, "in-1", CHUO), moved_out(CHUO, "out-1"))
    for place, number in ((CHUO, "out-1"), (SHINJUKU, "in-1")):
        ministry.result(place, number, "取込済")
    connector = Connector(ministry.settings)
    connector._handover.write(lambda c: c.execute("pragma secure_delete = on"))
    rows = connector._handover.read(lambda c: list(c.execute("select * from notices"))[-2:])
    connector.close()
    for secret in (WHO["name"], WHO["kanji_name"], CARD, ADDRESS[CHUO]):
        assert secret not in str(rows)


@pytest.mark.thorough
def test_a_kill_at_any_moment_neither_loses_nor_doubles_nor_reorders(ministry: Ministry) -> None:
    expected: list[str] = []
    for moment in itertools.count():
        card = {"card_number": f"AB{moment:08d}CD", "name": f"WANG {'A' * (moment + 1)}", "kanji_name": None}
        ministry.bring(moved_in(SHINJUKU, f"in{moment}", CHUO, **card))
        ministry.run()
        ministry.bring(moved_out(CHUO, f"out{moment}", **card))
        ministry.bring(Inquiry(number=f"Q{moment}", municipality=CHUO, kind="状態照会", target=f"out{moment}"))
        expected += [f"out{moment}", f"in{moment}"]
        child = os.fork()
        if child == 0:
            steps = itertools.count()

            def at(_moment: str, moment: int = moment, steps: "itertools.count[int]" = steps) -> None:
                if next(steps) == moment:
                    os.kill(os.getpid(), signal.SIGKILL)

            ministry.run(at)
            os._exit(0)
        killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
        ministry.run()
        if not killed:
            break
    assert moment > 10
    assert ministry.collected == expected
    answers = [each.target for each in ministry.told(CHUO) if isinstance(each, ImportResult)]
    assert answers == [f"out{each}" for each in range(moment + 1)]


def _status(place: str) -> StatusNotice:
    return StatusNotice(
        **WHO,
        number="M-1",
        municipality=place,
        notified_on=DAY,
        cause="変更",
        changed_items="在留カード番号",
        changed_on=DAY,
        category="中長期在留者",
        status="永住者",
        period="無期限",
        card_number=CARD,
    )


def test_the_list_of_what_is_held_names_nobody(ministry: Ministry, tmp_path: Path) -> None:
    config = tmp_path / "ministry.toml"
    config.write_text(f'[connector]\nstate = "{ministry.settings.state}"\n')
    arguments = ["held", "--config", str(config)]
    ministry.run()
    assert CliRunner().invoke(app, arguments).stdout == "nothing waits\n"
    ministry.arrive(moved_in(SHINJUKU, "in-1", CHUO), card_handed_out(CHUO, "card-1", card_number="ZZ99999999ZZ"))
    said = CliRunner().invoke(app, arguments)
    assert (said.exit_code, said.stdout) == (
        0,
        "131041 in-1 市町村伝達: crossing for 011011 until 2026-11-24T00:00:00Z, since 2026-11-23T00:00:00Z\n",
    )
    ministry.result(CHUO, "card-1", "未取込", reason="該当者なし")
    said = CliRunner().invoke(app, [*arguments, "--json"])
    assert said.exit_code == 1, "somebody is unknown"
    assert [each["number"] for each in json.loads(said.stdout)] == ["in-1", "card-1"]
    assert WHO["name"] not in said.stdout


def test_a_new_card_belongs_to_whom_the_ministry_gave_it(ministry: Ministry) -> None:
    ministry.say(_status(SHINJUKU))
    ministry.arrive(moved_in(SHINJUKU, "in-1", CHUO, card_number="OL00000000DD"), card_handed_out(SHINJUKU, "card-1"))
    assert ministry.waiting == [("in-1", "crossing", CHUO), ("card-1", "behind", "in-1")]
    ministry.arrive(moved_out(CHUO, "out-1", card_number="OL00000000DD"))
    assert ministry.collected == ["out-1", "in-1", "card-1"]
