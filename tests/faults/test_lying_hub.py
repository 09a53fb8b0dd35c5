"""A hub that lies, by its database: each lie is found out by the ends, and named; nothing false is believed or lost."""

import json
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from click.testing import Result
from typer.testing import CliRunner

from faults.lies import SAPPORO, SHINJUKU, alarms, lie, put_out, sides
from faults.promises import numbers
from renkei.agent.contact import HubNotGenuine
from renkei.agent.home import Home
from renkei.agent.keys import point_of
from renkei.agent.status import status_of
from renkei.cli import agent as agent_cli
from renkei.cli import hub as hub_cli
from renkei.cli import journal as journal_cli
from renkei.domain.layouts import Layout, write
from renkei.exchange.bindings import DirectoryEntry, bind
from renkei.exchange.certificates import certificate_from_pem, key_from_pem, make_key
from renkei.exchange.documents import Signer, peek
from renkei.exchange.parties import MINISTRY, Party
from renkei.exchange.payloads import Acceptance, Receipt, Void
from renkei.ministry.simulator import residence_notices, status_notices
from unit.agent.conftest import Fleet, Pki, fleet, pki, residence_csv, status_csv

__all__ = ["fleet", "pki", "residence_csv", "sides", "status_csv"]


def hub_signer(fleet: Fleet) -> Signer:
    """The hub's own key: a hub that lies has it."""
    return Signer(key_from_pem((fleet.hub_settings.keys / "signing.pem").read_text()))


def into_inbox(fleet: Fleet, party: str, kind: str, envelope: bytes, signer: str) -> None:
    ((item, cursor),) = lie(
        fleet,
        "SELECT (SELECT coalesce(max(item), 0) FROM inbox) + 1, cursor + 1 FROM parties WHERE party = ?",
        (party,),
    )
    lie(
        fleet,
        "INSERT INTO inbox (item, party, cursor, kind, envelope, signer) VALUES (?, ?, ?, ?, ?, ?)",
        (item, party, cursor, kind, envelope, signer),
    )
    lie(fleet, "UPDATE parties SET cursor = ? WHERE party = ?", (cursor, party))


def certificate_of(fleet: Fleet, party: str) -> str:
    return str(lie(fleet, "SELECT fingerprint FROM bindings WHERE party = ? LIMIT 1", (party,))[0][0])


@pytest.mark.parametrize("way", ["another CA", "another party", "a changed key"])
def test_a_swapped_receiving_key_is_found_before_anything_is_sealed_to_it(
    fleet: Fleet, sides: tuple[Home, Home], residence_csv: Any, way: str
) -> None:
    ministry, shinjuku = sides
    ((name, true),) = lie(fleet, "SELECT fingerprint, entry FROM bindings WHERE party = 'ministry'")
    entry = DirectoryEntry.from_json(true)
    said = peek(entry.binding.encode()).payload
    thief = make_key()
    match way:
        case "another CA":
            rogue = Pki(fleet.folder / "hub")
            certificate = certificate_from_pem(entry.certificate)
            until = certificate.not_valid_after_utc
            now = datetime.now(UTC)
            false = bind(certificate, point_of(thief.public_key()), 2, rogue.issuing, now, until)
        case "another party":
            ((other,),) = lie(fleet, "SELECT entry FROM bindings WHERE party = ?", (SHINJUKU,))
            false = DirectoryEntry.from_json(other)
        case _:
            false = entry.model_copy(
                update={"binding": entry.binding.replace(json.loads(entry.binding)["payload"][40:60], "A" * 20)}
            )
    lie(fleet, "UPDATE bindings SET entry = ? WHERE fingerprint = ?", (false.to_json(), name))
    put_out(shinjuku, residence_csv(2))
    fleet.exchange(shinjuku)
    assert "ministry" in alarms(shinjuku)["directory"]
    sealed_to = {m.recipient_certificate_sha256 for m in shinjuku.spool.outgoing.unreceipted()}
    assert sealed_to <= {said["certificate_sha256"]}, "to nobody else"
    lie(fleet, "UPDATE bindings SET entry = ? WHERE fingerprint = ?", (true, name))
    for home in (shinjuku, ministry, shinjuku):
        fleet.exchange(home)
    assert len(numbers(ministry.settings.inbox / SHINJUKU)) == 2
    assert shinjuku.spool.outgoing.unreceipted() == []


def test_messages_that_come_in_another_order_are_delivered_in_the_senders(
    fleet: Fleet, sides: tuple[Home, Home], residence_csv: Any
) -> None:
    ministry, shinjuku = sides
    for number in (1, 2, 3):
        put_out(shinjuku, residence_csv(1, first=number), f"{number}.csv")
        fleet.exchange(shinjuku)
    lie(fleet, "UPDATE inbox SET cursor = 1000 - cursor WHERE party = 'ministry'")
    lie(fleet, "UPDATE parties SET cursor = 1000 WHERE party = 'ministry'")
    fleet.exchange(ministry)
    assert numbers(ministry.settings.inbox / SHINJUKU) == [f"N-{SHINJUKU}-{n:06d}" for n in (1, 2, 3)]


def test_a_message_withheld_from_the_middle_holds_the_stream_and_is_named(
    fleet: Fleet, sides: tuple[Home, Home], residence_csv: Any
) -> None:
    ministry, shinjuku = sides
    for number in (1, 2, 3):
        put_out(shinjuku, residence_csv(1, first=number), f"{number}.csv")
        fleet.exchange(shinjuku)
    kept = lie(fleet, "SELECT * FROM inbox WHERE party = 'ministry' ORDER BY cursor")[1]
    lie(fleet, "DELETE FROM inbox WHERE item = ?", (kept[0],))
    fleet.exchange(ministry)
    assert numbers(ministry.settings.inbox / SHINJUKU) == [f"N-{SHINJUKU}-000001"]
    assert "2" in alarms(ministry)["gap"]
    assert len(shinjuku.spool.outgoing.unreceipted()) == 3, "none is forgotten without its receipt"


def test_a_forged_receipt_lets_no_sender_forget(fleet: Fleet, sides: tuple[Home, Home], residence_csv: Any) -> None:
    _, shinjuku = sides
    put_out(shinjuku, residence_csv(1))
    fleet.exchange(shinjuku)
    (message,) = shinjuku.spool.outgoing.unreceipted()
    forged = Receipt(
        sender=Party(SHINJUKU),
        recipient=MINISTRY,
        stream="notices",
        sequence=message.sequence,
        id=UUID(message.id),
        content_sha256=message.content_sha256,
        received_at=datetime.now(UTC),
    ).sign(hub_signer(fleet))
    for signer in ("hub", "ministry"):
        into_inbox(fleet, SHINJUKU, "receipt", forged, certificate_of(fleet, signer))
    fleet.exchange(shinjuku)
    assert [each.id for each in shinjuku.spool.outgoing.unreceipted()] == [message.id]
    assert "receipt that is none" in alarms(shinjuku)["document"]
    assert len([each for each in status_of(shinjuku).alarms if each.kind == "document"]) == 2


def test_a_forged_void_passes_over_nothing(fleet: Fleet, sides: tuple[Home, Home], residence_csv: Any) -> None:
    ministry, shinjuku = sides
    put_out(shinjuku, residence_csv(1))
    fleet.exchange(shinjuku)
    forged = Void(
        sender=Party(SHINJUKU),
        recipient=MINISTRY,
        stream="notices",
        sequence=1,
        reason="forged",
        voided_at=datetime.now(UTC),
    ).sign(hub_signer(fleet))
    lie(fleet, "UPDATE inbox SET cursor = cursor + 1000 WHERE party = 'ministry'")
    into_inbox(fleet, "ministry", "void", forged, certificate_of(fleet, "hub"))  # before the message
    lie(fleet, "UPDATE parties SET cursor = 2000 WHERE party = 'ministry'")
    fleet.exchange(ministry)
    assert "void that is none" in alarms(ministry)["document"]
    assert numbers(ministry.settings.inbox / SHINJUKU) == [f"N-{SHINJUKU}-000001"]


@pytest.mark.parametrize("forger", ["hub, of another manifest", "somebody else"])
def test_a_forged_acceptance_is_no_acceptance(
    fleet: Fleet, sides: tuple[Home, Home], residence_csv: Any, forger: str
) -> None:
    _, shinjuku = sides
    put_out(shinjuku, residence_csv(1))
    fleet.exchange(shinjuku)
    (message,) = shinjuku.spool.outgoing.unreceipted()
    forged = Acceptance(
        id=UUID(message.id),
        sender=Party(SHINJUKU),
        manifest_sha256="0" * 64,
        accepted_at=datetime.now(UTC),
        journal_index=1,
        epoch=1,
    ).sign(hub_signer(fleet) if forger.startswith("hub") else Signer(make_key()))
    lie(fleet, "UPDATE messages SET acceptance = ?", (forged,))
    shinjuku.spool.outgoing.offer_from("ministry", "notices", 1)
    fleet.exchange(shinjuku)
    assert "acceptance" in alarms(shinjuku)["stream"] or "accepted another manifest" in alarms(shinjuku)["stream"]


def heads_of(fleet: Fleet, home: Home) -> Path:
    answer = run(agent_cli.app, "heads", "--json", "--config", fleet.write_config(home))
    assert answer.exit_code == 0, answer.output
    path = fleet.folder / f"heads-{home.party}.json"
    path.write_text(answer.stdout)
    return path


def run(app: Any, *words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_two_journals_shown_to_two_agents_are_found_by_comparing_what_they_saw(
    fleet: Fleet, sides: tuple[Home, Home], residence_csv: Any
) -> None:
    ministry, shinjuku = sides
    sapporo = fleet.agent(SAPPORO)
    for home in (sapporo, shinjuku, ministry):
        fleet.exchange(home)
    copy = fleet.folder / "other"
    fleet.stop_hub()
    shutil.copytree(fleet.folder / "hub", copy)
    fleet.start_hub()  # one journal for Shinjuku …
    put_out(shinjuku, residence_csv(1))
    for _ in range(2):
        fleet.exchange(shinjuku)
    fleet.stop_hub()
    shutil.move(fleet.folder / "hub", fleet.folder / "first")
    shutil.move(copy, fleet.folder / "hub")
    fleet.start_hub()  # … and another for Sapporo and the ministry
    put_out(sapporo, residence_csv(1, SAPPORO))
    for _ in range(2):
        fleet.exchange(sapporo)
        fleet.exchange(ministry)
    verify = ("verify", "--config", fleet.write_config(ministry), "--root", fleet.pki.anchor_file)
    alone = run(journal_cli.app, *verify, "--heads", heads_of(fleet, sapporo))
    assert alone.exit_code == 0, alone.output
    together = run(journal_cli.app, *verify, "--heads", heads_of(fleet, sapporo), "--heads", heads_of(fleet, shinjuku))
    assert together.exit_code == 1
    assert f"the head that {SHINJUKU} saw" in together.stdout
    assert "forked" in together.stdout


def test_a_hub_that_went_back_is_refused_and_named(fleet: Fleet, sides: tuple[Home, Home], residence_csv: Any) -> None:
    _, shinjuku = sides
    fleet.stop_hub()
    shutil.copytree(fleet.folder / "hub", fleet.folder / "earlier")
    fleet.start_hub()
    put_out(shinjuku, residence_csv(1))
    for _ in range(2):
        fleet.exchange(shinjuku)
    fleet.stop_hub()
    shutil.rmtree(fleet.folder / "hub")
    shutil.copytree(fleet.folder / "earlier", fleet.folder / "hub")
    fleet.start_hub()
    with pytest.raises(HubNotGenuine, match="shrank"):
        fleet.exchange(shinjuku)
    assert any("shrank" in alarm.text for alarm in status_of(shinjuku).alarms)
    assert len(shinjuku.spool.outgoing.unreceipted()) == 1


def spellings(name: str) -> set[bytes]:
    """A name as it could stand in a file."""
    found = {name.encode("utf-8"), name.encode("utf-16-le"), name.encode("utf-16-be")}
    found.add(json.dumps(name)[1:-1].encode())
    with suppress(UnicodeEncodeError):
        found.add(name.encode("cp932"))
    return found


def test_no_name_is_in_the_hubs_database_log_or_backups(tmp_path: Path, fleet: Fleet) -> None:
    """Every byte that the hub wrote, searched for everybody who was in a notice."""
    fleet.stop_hub()
    log = (tmp_path / "hub.log").open("wb")
    serve = "import sys, logging; logging.root.setLevel(logging.DEBUG); from renkei.cli.hub import main; main()"
    words = [sys.executable, "-c", serve, "serve", "--config", str(fleet.folder / "hub.toml")]
    (fleet.folder / "run" / "hub.sock").unlink(missing_ok=True)
    process = subprocess.Popen(words, stderr=log, stdout=log)
    try:
        deadline = time.monotonic() + 20
        while not (fleet.folder / "run" / "hub.sock").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        ministry, shinjuku = fleet.agent("ministry"), fleet.agent(SHINJUKU)
        for home in (shinjuku, ministry):
            fleet.exchange(home)
        today = date(2026, 11, 20)
        out = status_notices([SHINJUKU], 150, 7, today)
        back = residence_notices(SHINJUKU, 150, 8, today, "東京都新宿区")
        (ministry.settings.outbox / SHINJUKU).mkdir(exist_ok=True)
        (ministry.settings.outbox / SHINJUKU / "a.csv").write_bytes(write(out, Layout()))
        put_out(shinjuku, write(back, Layout()))
        for home in (ministry, shinjuku):
            fleet.exchange(home)
        backup = tmp_path / "backup.db"
        made = run(hub_cli.app, "backup", backup, "--config", fleet.folder / "hub.toml")
        assert made.exit_code == 0, made.output
        exported = tmp_path / "journal.jsonl"
        assert run(hub_cli.app, "journal", "export", exported, "--config", fleet.folder / "hub.toml").exit_code == 0
        held = [*(fleet.folder / "hub").rglob("*"), backup, exported, tmp_path / "hub.log"]
        contents = {path.name: path.read_bytes() for path in held if path.is_file()}
    finally:
        process.kill()
        process.wait(10)
        log.close()
    people = {word for notice in (*out, *back) for word in (notice.name, notice.kanji_name) if word}
    cards = {notice.card_number for notice in (*out, *back) if notice.card_number}
    assert len(people) > 200
    delivered = b"".join(path.read_bytes() for path in shinjuku.settings.inbox.glob("*.csv"))
    assert sum(name.encode() in delivered for name in people) > 100, "the search finds what is there"
    assert {"hub.db", "hub.db-wal", "backup.db", "hub.log"} <= contents.keys()
    for where, content in contents.items():
        found = [word for word in people | cards if any(each in content for each in spellings(word) if len(each) > 3)]
        assert not found, f"{where} has {len(found)} of {len(people)} names or card numbers"
