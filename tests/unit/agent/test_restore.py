"""A hub that was restored from an hour-old backup, and one that changed its key: real hubs, real agents."""

from itertools import count
from typing import Any

import pytest

from renkei.agent.exchange import take_offline
from renkei.agent.intake import Watch
from renkei.agent.receiving import read_inbox
from renkei.agent.sending import reseal_all, send_all
from renkei.agent.status import status_of
from renkei.client.errors import NotAllowed
from renkei.exchange.certificates import make_request
from renkei.exchange.parties import Party
from renkei.hub.identity import make_keys
from unit.agent.rows import numbers

pytestmark = pytest.mark.thorough

CODES = ("131041", "011011")


class Hour:
    """Both ways of two endpoints: each step leaves parcels in another state on their way."""

    def __init__(self, fleet: Any, residence_csv: Any, status_csv: Any) -> None:
        self.fleet = fleet
        self.files = {"up": residence_csv, "down": status_csv}
        self.ministry = fleet.agent("ministry")
        self.endpoints = {code: fleet.agent(code) for code in CODES}
        self.numbers = count(1)
        self.given: dict[str, list[int]] = {f"{way} {code}": [] for way in ("up", "down") for code in CODES}
        for code in CODES:
            (self.ministry.settings.outbox / code).mkdir()

    def give(self, way: str, code: str) -> None:
        number = next(self.numbers)
        folder = self.endpoints[code].settings.outbox if way == "up" else self.ministry.settings.outbox / code
        (folder / f"{number:03d}.csv").write_bytes(self.files[way](1, code, first=number))
        self.given[f"{way} {code}"].append(number)

    def give_all(self) -> None:
        for code in CODES:
            self.give("up", code)
            self.give("down", code)

    def exchange(self, *parties: str) -> None:
        for party in parties:
            self.fleet.exchange(self.ministry if party == "ministry" else self.endpoints[party])

    def pass_by(self) -> None:
        """Leave parcels accepted, fetched and receipted, each receipt known to its sender or not yet."""
        self.give_all()
        self.exchange(*CODES, "ministry", CODES[0])  # the first endpoint's are settled, the second's half way
        self.give_all()
        self.exchange(CODES[0], "ministry")
        self.give("up", CODES[1])
        self.exchange(CODES[1])

    def settle(self) -> None:
        for _ in range(3):
            self.exchange(*CODES, "ministry")

    def delivered(self) -> dict[str, list[int]]:
        found = {f"up {code}": numbers(self.ministry.settings.inbox / code) for code in CODES}
        return found | {f"down {code}": numbers(home.settings.inbox) for code, home in self.endpoints.items()}


@pytest.mark.parametrize("state", ["at rest", "in the midst of traffic"])
def test_a_hub_restored_from_an_old_backup_loses_nothing_and_delivers_nothing_twice(
    fleet: Any, residence_csv: Any, status_csv: Any, state: str
) -> None:
    hour = Hour(fleet, residence_csv, status_csv)
    hour.pass_by()
    fleet.back_up()
    for _ in range(2):
        hour.pass_by()
    if state == "at rest":
        hour.settle()  # everything has a receipt: the restored hub has streams that end before their senders'
    fleet.restore()
    hour.pass_by()
    hour.settle()
    assert hour.delivered() == hour.given
    for home in (hour.ministry, *hour.endpoints.values()):
        assert status_of(home).alarms == ()
        assert home.spool.outgoing.unreceipted() == []
    assert fleet.command("check-store").startswith("the store is sound")


def test_two_restores_from_the_same_backup_are_told_apart(fleet: Any, residence_csv: Any, status_csv: Any) -> None:
    hour = Hour(fleet, residence_csv, status_csv)
    hour.pass_by()
    fleet.back_up()
    epochs = [hour.ministry.spool.epoch]
    for _ in range(2):
        fleet.restore()
        hour.pass_by()
        epochs.append(hour.ministry.spool.epoch)
    hour.settle()
    assert epochs == sorted(set(epochs))
    assert hour.delivered() == hour.given


def test_who_was_enrolled_or_revoked_since_the_backup_is_told_to_the_hub_again(
    fleet: Any, residence_csv: Any, status_csv: Any
) -> None:
    hour = Hour(fleet, residence_csv, status_csv)
    fleet.back_up()
    revoked = hour.endpoints[CODES[0]].keys().entry
    fleet.revoke(revoked)
    late = fleet.agent("012271")
    fleet.restore()
    with pytest.raises(NotAllowed):
        fleet.exchange(late)
    fleet.exchange(hour.endpoints[CODES[0]])  # the hub forgot that it was revoked, until the authority tells it again
    fleet.bind(late.keys().entry)
    fleet.revoke(revoked)
    fleet.exchange(late)
    with pytest.raises(NotAllowed):
        fleet.exchange(hour.endpoints[CODES[0]])


def test_a_restore_replaces_nothing_unasked(fleet: Any) -> None:
    fleet.back_up()
    with pytest.raises(AssertionError, match="another process listens there; stop it first"):
        fleet.command("restore", str(fleet.folder / "backup.db"), "--overwrite")
    fleet.stop_hub()
    with pytest.raises(AssertionError, match=r"hub\.db: is there already; say --overwrite to replace it"):
        fleet.command("restore", str(fleet.folder / "backup.db"))
    assert "epoch" in fleet.command("restore", str(fleet.folder / "backup.db"), "--overwrite")
    assert list((fleet.folder / "hub").glob("hub.db.replaced-*"))


def test_an_acceptance_holds_by_whichever_of_the_hubs_keys_signed_it(fleet: Any, residence_csv: Any) -> None:
    """The hub accepted, its answer was lost, and when it is asked again another key, or another hub, answers."""
    hour = Hour(fleet, residence_csv, residence_csv)
    home = hour.endpoints[CODES[0]]
    hour.give("up", CODES[0])
    hour.exchange(CODES[0])
    home.spool._database.write(lambda c: c.execute("UPDATE outgoing SET accepted_epoch = NULL").fetchall())
    fleet.stop_hub()
    keys = fleet.hub_settings.keys
    keys.rename(keys.with_name("old-keys"))
    made = make_keys(keys)
    request = make_request(made.signing, Party("hub"), "hub-2")
    entry = fleet.pki.entry(request, "hub", "hub-2", made.receiving_point, generation=2)
    (fleet.folder / "own.json").write_bytes(entry.to_json())
    assert fleet.command("install-entry", str(fleet.folder / "own.json")) == "changed\n"
    fleet.start_hub()
    hour.exchange(CODES[0])
    assert status_of(home).alarms == ()
    hour.settle()
    assert hour.delivered()[f"up {CODES[0]}"] == hour.given[f"up {CODES[0]}"]


@pytest.mark.parametrize("came_to", ["read its inbox", "deliver it"])
def test_what_a_restored_hub_lost_the_receipt_of_comes_again_to_the_machine_that_replaced_its_signer(
    fleet: Any, status_csv: Any, came_to: str
) -> None:
    """The ministry had not read that receipt, and the new machine had begun behind it."""
    code = CODES[0]
    ministry, old = fleet.agent("ministry"), fleet.agent(code)
    outbox = ministry.settings.outbox / code
    outbox.mkdir()
    fleet.back_up()
    (outbox / "1.csv").write_bytes(status_csv(1, code, first=1))
    fleet.exchange(ministry)
    fleet.exchange(old)
    (outbox / "2.csv").write_bytes(status_csv(1, code, first=2))
    replaced = old.keys().entry
    new = fleet.replace(old, revoked=replaced)
    take_offline(ministry, Watch(0))
    contact = fleet.contact(ministry)
    reseal_all(ministry, contact)
    send_all(ministry, contact)  # an exchange whose inbox was read before the receipt came
    if came_to == "deliver it":
        fleet.exchange(new)
    else:
        read_inbox(new, fleet.contact(new))
    assert [message.sequence for message in ministry.spool.outgoing.unreceipted()] == [1, 2]
    assert new.spool.incoming.missing("ministry", "notices", 3) == [], "the machine has begun at 2"

    fleet.restore()
    fleet.bind(new.keys().entry)
    fleet.revoke(replaced)
    for home in (ministry, new, ministry):
        fleet.exchange(home)
    assert ministry.spool.outgoing.unreceipted() == []
    assert numbers(old.settings.inbox) == [1]
    assert numbers(new.settings.inbox) == [1, 2]
    for home in (ministry, new):
        assert status_of(home).alarms == ()
        assert home.spool.gaps() == []
