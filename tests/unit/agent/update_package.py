"""A package of an update, whose content is small."""

import hashlib

from renkei.exchange.updates import Update
from unit.agent.update_host import AFTER, update

CONTENT = b"MSCF" + bytes(range(256)) * 40


def package(kb: str = "KB5058411", build: str = AFTER, *requires: str) -> Update:
    made = update(kb, build, *requires, size=len(CONTENT))
    return made.model_copy(update={"sha256": hashlib.sha256(CONTENT).hexdigest()})
