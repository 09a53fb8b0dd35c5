"""Notices that are ready go into the register's folder: in order, whole, each exactly once, whatever is killed.

1. The spool fixes the next file: its number, its content, the notices in it.
2. The file is written into `to-register/`, then its marker under a hidden name; the register system sees neither.
3. The spool notes that both are there (`staged`).
4. The marker is renamed: from now on the register system may take both away.
5. The spool notes that the file was handed over.

A kill before 3 writes the same again. A kill after 3 is settled by the folder: a marker that is still hidden wasn't
handed over, one that isn't was. A share that vanishes in between holds everything here until it is back.
"""

import hashlib
import json

from renkei.agent.home import Home, log, stamp
from renkei.agent.register.rows import notice_of
from renkei.agent.register.share import MARKER, TO_REGISTER, Share
from renkei.agent.writing import write_notices
from renkei.domain.notices import ImportResult
from renkei.exchange.payloads import MAX_NOTICES
from renkei.store.batches import Batch, Progress
from renkei.store.standings import Import


def hand_over_all(home: Home, share: Share) -> int:
    """Hand over what was begun and all that is ready; how many files.

    Raises:
        ShareAway: the folder went away; the rest waits.
    """
    handed = 0
    for batch in home.spool.batches.unfinished():
        _finish(home, share, batch)
        handed += 1
    while ready := home.spool.imports.ready(MAX_NOTICES):
        _finish(home, share, _plan(home, ready))
        handed += 1
    return handed


def _plan(home: Home, ready: list[Import]) -> Batch:
    number = home.spool.batches.next_number()
    name = f"{number:010d}{home.settings.layout.suffix}"
    content = write_notices(home, name, [notice_of(each.type, each.row or "") for each in ready])
    batch = Batch(
        number=number,
        progress=Progress.PLANNED,
        name=name,
        type=ready[0].type,
        notices=len(ready),
        sha256=hashlib.sha256(content).hexdigest(),
        content=content,
    )
    home.spool.batches.plan(batch, [each.place for each in ready], stamp())
    return batch


def _finish(home: Home, share: Share, batch: Batch) -> None:
    marker = f"{batch.name}{MARKER}"
    hidden = f".{marker}"
    if batch.progress is Progress.PLANNED:
        _stage(share, batch, hidden)
        home.spool.batches.staged(batch)
    elif share.exists(TO_REGISTER, hidden) and not share.exists(TO_REGISTER, batch.name):
        _stage(share, batch, hidden)  # the folder lost what it had
    if share.exists(TO_REGISTER, hidden):
        share.rename(TO_REGISTER, hidden, marker)
    home.spool.batches.handed(batch, stamp(), expects_results=batch.type != ImportResult.TYPE)
    log.info("%s: %d notices handed over to the register system", batch.name, batch.notices)


def _stage(share: Share, batch: Batch, hidden: str) -> None:
    share.write(TO_REGISTER, batch.name, batch.content)
    marker = {
        "file": batch.name,
        "type": batch.type,
        "notices": batch.notices,
        "bytes": len(batch.content),
        "sha256": batch.sha256,
    }
    share.write(TO_REGISTER, hidden, json.dumps(marker, ensure_ascii=False, indent=1).encode())
