"""Records small stores, as the software on the path writes them, as SQL that a person can read.

Run with the software of the version to record, never again for one that is here already:

    PYTHONPATH=CHECKOUT/tools python tests/unit/store/recorded/record.py tests/unit/store/recorded
"""

import asyncio
import io
import sys
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import apsw
import apsw.shell

from renkei.store.hub.contract import Binding, Message, Receipt, Void
from renkei.store.hub.sqlite import SqliteHubStore
from renkei.store.incoming import IncomingMessage
from renkei.store.outgoing import Draft, Source
from renkei.store.spool import Spool

AT = "2026-11-23T01:02:03Z"
PLENTY = 10**9


def digest(content: bytes) -> str:
    """SHA-256 in hex."""
    return sha256(content).hexdigest()


async def fill_hub(path: Path) -> None:
    """Three messages of an endpoint: receipted, voided, and waiting; and a part that no message took up."""
    store = SqliteHubStore(path)
    for party, fingerprint in (("131041", "a" * 64), ("ministry", "b" * 64)):
        await store.add_binding(Binding(fingerprint, party, "T-1", 1, 0, 10**10, b"{}"), "authority", 1)
    for number in (1, 2, 3):
        part, manifest = b"part %d" % number, b'{"manifest":%d}' % number
        await store.put_part("131041", digest(part), part, PLENTY, 1)
        place = ("131041", "ministry", "notices", number)
        parts = ((digest(part), len(part)),)
        message = Message(f"id-{number}", *place, digest(b"c"), manifest, digest(manifest), parts, "a" * 64)
        await store.accept(message, lambda index, epoch: b'{"accepted":[%d,%d]}' % (index, epoch), PLENTY, 1)
    await store.receipt(Receipt("id-1", "131041", "ministry", b'{"receipt":1}', "b" * 64), 2)
    await store.void(Void("131041", "ministry", "notices", 2, b'{"void":2}', "a" * 64), 3)
    await store.put_part("131041", digest(b"loose"), b"loose", PLENTY, 4)
    await store.touch({"131041": 5})
    store.close()


def fill_spool(path: Path) -> None:
    """Two messages sent, one of them receipted, and one received and delivered."""
    spool = Spool(path)
    drafts = [lambda number: Draft(f"id-{number}", b"manifest", b"sealed", b"content", "digest", "cert", 1)] * 2
    spool.outgoing.take(Source("sha", "", "a.csv", AT, 2, 0), "ministry", "notices", drafts)
    spool.outgoing.accept("id-1", 1, b"acceptance")
    spool.outgoing.receipt("id-1", b"receipt", AT)
    message = IncomingMessage("ministry", "in-1", "notices", 1, 1, b"m", "{}", "digest", 10, AT)
    spool.incoming.announce(message)
    spool.incoming.add_piece(message, 0, b"x" * 10)
    spool.incoming.deliver(message, b"receipt", AT)
    spool.enter_epoch(1)
    spool.close()


def dump(path: Path) -> str:
    """The store as SQL, with its schema's number."""
    connection, out = apsw.Connection(str(path)), io.StringIO()
    version = connection.pragma("user_version")
    apsw.shell.Shell(db=connection, stdout=out).process_command(".dump")
    statements = [line for line in out.getvalue().splitlines() if not line.startswith("--")]
    return "\n".join([*statements, f"PRAGMA user_version = {version};", ""])


if __name__ == "__main__":
    target = Path(sys.argv[1])
    with TemporaryDirectory() as folder:
        hub, spool = Path(folder) / "hub.db", Path(folder) / "state.db"
        asyncio.run(fill_hub(hub))
        fill_spool(spool)
        for name, path in (("hub", hub), ("spool", spool)):
            text = dump(path)
            number = text.rsplit("user_version = ", 1)[1].rstrip(";\n")
            (target / f"{name}-schema-{number}.sql").write_text(text, encoding="utf-8")
