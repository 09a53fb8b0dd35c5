"""Health and metrics, and what the log says."""

import asyncio
import logging
from typing import Any

import pytest

from renkei.hub import app
from renkei.hub.upkeep import flush_once


def metrics(bench: Any) -> dict[str, float]:
    lines = bench.health.get("/metrics").text.splitlines()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if not line.startswith("#")}


def test_health_is_a_write_that_commits(bench: Any) -> None:
    commits = bench.store.database.statistics.commits
    assert bench.health.get("/healthz").text == "ok\n"
    assert bench.store.database.statistics.commits == commits + 1


def test_a_store_that_cannot_commit_is_not_healthy(bench: Any, refused: Any, shinjuku: Any, ministry: Any) -> None:
    pages = bench.store.database.write(lambda c: c.pragma("page_count"))
    bench.store.database.write(lambda c: c.pragma("max_page_count", pages))
    for _ in range(9):  # the last free pages
        answer = shinjuku.put_part(bytes(60_000))
    refused(answer, 503, "store")
    assert ministry.get("/v1/inbox").status_code == 200


def test_a_commit_that_does_not_return_is_not_healthy(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where PostgreSQL waits for a standby that is away."""

    async def never(_: int) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(app, "_COMMIT_SECONDS", 0.05)
    monkeypatch.setattr(bench.store, "prove_writable", never)
    answer = bench.health.get("/healthz")
    assert (answer.status_code, "is it there?" in answer.text) == (503, True)


def test_requests_problems_and_the_store_are_counted(bench: Any, shinjuku: Any, ministry: Any) -> None:
    shinjuku.send(ministry.machine)
    shinjuku.get("/nowhere")
    bench.run(flush_once(bench.hub, bench.store))
    found = metrics(bench)
    route = "/v1/messages/{sender}/{id}"
    assert found[f'renkei_hub_requests_total{{listener="exchange",route="{route}",status="201"}}'] == 1
    assert found['renkei_hub_requests_total{listener="exchange",route="none",status="404"}'] == 1
    assert found['renkei_hub_problems_total{kind="not-found"}'] == 1
    assert found["renkei_hub_unreceipted_messages"] == 1
    assert found["renkei_hub_live_bindings"] == 2
    assert found["renkei_hub_journal_entries"] == 3
    assert found["renkei_hub_store_commits"] >= 3
    assert found["renkei_hub_held_bytes"] > 0


def test_contacts_reach_the_store(bench: Any, shinjuku: Any) -> None:
    shinjuku.get("/v1/hub")
    bench.run(flush_once(bench.hub, bench.store))
    [counts] = bench.run(bench.store.counts())
    assert (counts.party, counts.last_contact) == ("131041", int(bench.time.timestamp()))
    assert bench.hub.contacts == {}


def test_the_log_says_what_was_done_in_one_line(shinjuku: Any, ministry: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "renkei.hub")
    parcel = shinjuku.send(ministry.machine)
    ministry.receipt(parcel, "131041")
    lines = [record.getMessage() for record in caplog.records if record.name == "renkei.hub"]
    size = len(parcel.sealed)
    assert lines == [
        f"accepted sender=131041 recipient=ministry stream=notices sequence=1 bytes={size} id={parcel.id}",
        f"receipted sender=131041 recipient=ministry sequence=1 id={parcel.id}",
    ]


def test_what_nobody_foresaw_is_logged_and_told_to_nobody(
    bench: Any, refused: Any, shinjuku: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("secret inside")

    monkeypatch.setattr(bench.store, "inbox", broken)
    document = refused(shinjuku.get("/v1/inbox"), 500, "error")
    assert "secret" not in document["detail"]
    assert "secret inside" in caplog.text
