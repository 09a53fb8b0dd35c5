"""Several small parcels that wait go in one request; what is refused there, or can't go so, goes one by one."""

from typing import Any

import pytest

from renkei.agent import directory
from renkei.agent.exchange import take_offline
from renkei.agent.home import Home
from renkei.agent.intake import Watch
from renkei.agent.status import status_of
from renkei.agent.voiding import void
from renkei.client.errors import HubRefused, HubUnreachable, Problem
from renkei.client.hub import HubClient
from renkei.exchange import together
from renkei.exchange.documents import payload_sha256, peek
from renkei.exchange.parties import MINISTRY, Party
from renkei.exchange.payloads import Acceptance

SHINJUKU, SAPPORO = "131041", "011011"


@pytest.fixture
def sides(fleet: Any) -> tuple[Home, Home]:
    ministry, shinjuku = fleet.agent("ministry"), fleet.agent(SHINJUKU)
    fleet.exchange(shinjuku)
    return ministry, shinjuku


def put_out(home: Home, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = home.settings.outbox / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)


def puts(fleet: Any) -> list[str]:
    """What an exchange put: `together`, `alone`, `parts`, `voids`, in order, repeats in a row counted once."""
    found: list[str] = []
    for line in fleet.front.requests:
        method, path, _ = line.split()
        place = path.split("/")[2:]
        if method != "PUT" or place[0] not in {"messages", "parts", "voids"}:
            continue
        what = place[0] if place[0] != "messages" else "together" if len(place) == 2 else "alone"
        found += [what] if what != "alone" or found[-1:] != ["alone"] else []
    return found


def exchange(fleet: Any, home: Home) -> Any:
    fleet.front.requests.clear()
    return fleet.exchange(home)


def acceptances(home: Home) -> list[bytes]:
    sql = "SELECT manifest, acceptance FROM outgoing ORDER BY recipient, stream, sequence"
    found = home.spool._database.read(lambda c: c.execute(sql).fetchall())
    for manifest, acceptance in found:
        assert Acceptance.read(peek(acceptance).payload).manifest_sha256 == payload_sha256(manifest)
    return [acceptance for _, acceptance in found]


def delivered(home: Home) -> list[str]:
    """The numbers of all notices that arrived, in the order of the files."""
    files = sorted(path for path in home.settings.inbox.rglob("*") if path.is_file())
    return [line.split(",")[1] for path in files for line in path.read_text().splitlines()[1:]]


def test_what_waits_goes_in_one_request_and_what_is_alone_goes_alone(
    fleet: Any, sides: tuple[Home, Home], residence_csv: Any
) -> None:
    ministry, shinjuku = sides
    put_out(shinjuku, {f"{n}.csv": residence_csv(1, first=n) for n in range(1, 5)})
    assert exchange(fleet, shinjuku).parcels_sent == 4
    assert puts(fleet) == ["together"]
    assert len(set(acceptances(shinjuku))) == 4
    put_out(shinjuku, {"5.csv": residence_csv(1, first=5)})
    assert exchange(fleet, shinjuku).parcels_sent == 1
    assert puts(fleet) == ["alone"]
    assert fleet.exchange(ministry).receipts_sent == 5
    assert delivered(ministry) == [f"N-{SHINJUKU}-{n:06d}" for n in range(1, 6)]
    assert fleet.exchange(shinjuku).receipts_received == 5
    assert status_of(shinjuku).alarms == () == status_of(ministry).alarms


@pytest.mark.thorough
def test_an_older_hub_gets_them_one_by_one(
    fleet: Any, sides: tuple[Home, Home], residence_csv: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ministry, shinjuku = sides
    monkeypatch.setattr(together, "MEDIA_TYPE", "application/vnd.renkei.unheard-of")
    put_out(shinjuku, {f"{n}.csv": residence_csv(1, first=n) for n in range(1, 4)})
    assert exchange(fleet, shinjuku).parcels_sent == 3
    assert puts(fleet) == ["alone"]
    assert fleet.exchange(ministry).notices_delivered == 3


@pytest.mark.thorough
def test_streams_of_several_recipients_share_a_request_and_one_that_is_refused_holds_up_no_other(
    fleet: Any, status_csv: Any
) -> None:
    ministry = fleet.agent("ministry", exchange={"directory_seconds": 900})
    ends = {code: fleet.agent(code) for code in (SAPPORO, SHINJUKU)}
    for code in ends:
        with ministry.connect() as client:
            directory.refresh(ministry, client, Party(code))
    ends[SAPPORO] = fleet.replace(ends[SAPPORO], revoked=ends[SAPPORO].keys().entry)
    put_out(ministry, {f"{code}/{n}.csv": status_csv(1, code, n) for code in ends for n in (1, 2)})
    assert exchange(fleet, ministry).parcels_sent == 4, "what was sealed to the machine that is gone was sealed anew"
    assert puts(fleet) == ["together", "alone"]
    for home in ends.values():
        assert fleet.exchange(home).notices_delivered == 2
    assert status_of(ministry).alarms == ()


@pytest.mark.thorough
def test_what_is_large_goes_in_its_turn_and_what_follows_goes_together_again(
    fleet: Any, sides: tuple[Home, Home], residence_csv: Any
) -> None:
    ministry, shinjuku = sides
    counts = [1, 1, 400, 1, 1]
    firsts = [1 + sum(counts[:place]) for place in range(len(counts))]
    files = {
        f"{n}.csv": residence_csv(count, first=first)
        for n, (count, first) in enumerate(zip(counts, firsts, strict=True))
    }
    put_out(shinjuku, files)
    assert exchange(fleet, shinjuku).parcels_sent == 5
    found = puts(fleet)
    assert found[0] == found[-1] == "together"
    assert set(found[1:-2]) == {"parts"}
    assert found[-2] == "alone"
    fleet.exchange(ministry)
    assert delivered(ministry) == [f"N-{SHINJUKU}-{n:06d}" for n in range(1, 405)]


@pytest.mark.thorough
def test_a_void_goes_in_its_turn(
    fleet: Any, sides: tuple[Home, Home], residence_csv: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ministry, shinjuku = sides
    put_together, sizes = HubClient.put_together, list[int]()

    def counted(self: HubClient, sender: str, batch: together.Batch) -> list[bytes | HubRefused]:
        sizes.append(len(batch))
        return put_together(self, sender, batch)

    monkeypatch.setattr(HubClient, "put_together", counted)
    fleet.exchange(ministry)
    put_out(shinjuku, {f"{n}.csv": residence_csv(1, first=n) for n in range(1, 6)})
    take_offline(shinjuku, Watch(0))
    void(shinjuku, MINISTRY, "notices", 3, "test")
    assert exchange(fleet, shinjuku).parcels_sent == 4
    assert puts(fleet) == ["together", "voids", "together"]
    assert sizes == [2, 2], "what would be a gap isn't offered"
    fleet.exchange(ministry)
    assert delivered(ministry) == [f"N-{SHINJUKU}-{n:06d}" for n in (1, 2, 4, 5)]


@pytest.mark.thorough
@pytest.mark.parametrize("way", ["up", "down"])
def test_a_request_that_is_cut_is_made_again_and_nothing_is_there_twice(
    fleet: Any, sides: tuple[Home, Home], residence_csv: Any, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """On the way up the hub has none of it then, on the way down it has all."""
    ministry, shinjuku = sides
    put_out(shinjuku, {f"{n}.csv": residence_csv(1, first=n) for n in range(1, 5)})
    put_together, kept = HubClient.put_together, list[bytes | HubRefused]()

    def cut(self: HubClient, sender: str, batch: together.Batch) -> list[bytes | HubRefused]:
        if way == "up":
            fleet.front.cut_after["up"] = 1000
        kept.extend(put_together(self, sender, batch))
        raise HubUnreachable("the answer is lost")

    with monkeypatch.context() as patched:
        patched.setattr(HubClient, "put_together", cut)
        with pytest.raises(HubUnreachable):
            fleet.exchange(shinjuku)
    assert len(kept) == (0 if way == "up" else 4)
    assert [m.accepted_epoch for m in shinjuku.spool.outgoing.unreceipted()] == [None] * 4
    put_out(shinjuku, {"5.csv": residence_csv(1, first=5)})
    assert exchange(fleet, shinjuku).parcels_sent == 5
    assert puts(fleet) == ["together"]
    assert acceptances(shinjuku)[: len(kept)] == kept
    fleet.exchange(ministry)
    assert delivered(ministry) == [f"N-{SHINJUKU}-{n:06d}" for n in range(1, 6)]
    with ministry.connect() as client:
        acts = [entry["act"] for entry in client.journal_entries(0, 99)]
    assert acts.count("message") == 5


@pytest.mark.thorough
def test_where_the_whole_request_is_refused_they_go_one_by_one(
    fleet: Any, sides: tuple[Home, Home], residence_csv: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway between that knows a smaller bound, say."""
    ministry, shinjuku = sides

    def refused(*_: object) -> list[bytes | HubRefused]:
        raise HubRefused("PUT /v1/messages/131041", Problem(413, "too-large", "", ""), "")

    monkeypatch.setattr(HubClient, "put_together", refused)
    put_out(shinjuku, {f"{n}.csv": residence_csv(1, first=n) for n in range(1, 4)})
    assert exchange(fleet, shinjuku).parcels_sent == 3
    assert puts(fleet) == ["alone"]
    assert fleet.exchange(ministry).notices_delivered == 3


@pytest.mark.thorough
def test_an_acceptance_of_something_else_counts_for_nothing(
    fleet: Any, sides: tuple[Home, Home], residence_csv: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub answers with the acceptances in another order: none is of what was offered there."""
    ministry, shinjuku = sides
    put_together = HubClient.put_together
    monkeypatch.setattr(HubClient, "put_together", lambda *given: put_together(*given)[::-1])
    put_out(shinjuku, {f"{n}.csv": residence_csv(1, first=n) for n in range(1, 3)})
    assert exchange(fleet, shinjuku).parcels_sent == 2
    assert puts(fleet) == ["together", "alone"], "offered alone each got its own"
    assert len(set(acceptances(shinjuku))) == 2
    assert fleet.exchange(ministry).notices_delivered == 2
