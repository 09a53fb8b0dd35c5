"""Waves of one group over a few agents of the tests."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from renkei.domain.halting import HaltingRule
from renkei.exchange.updates import Update
from renkei.fleet.waves.plan import Halting, Plan, PlannedHost
from renkei.store.waves.ledger import Act, Ledger

WAVE, MODEL = UUID(int=12), "RK-T100"


def approved(ledger: Ledger, begin: datetime, hosts: Sequence[PlannedHost], updates: Sequence[Update]) -> None:
    """Put the wave into a ledger, planned and approved at its begin."""
    plan = Plan(
        id=WAVE,
        action="install",
        catalogue=7,
        catalogue_sha256="cd" * 32,
        updates=list(updates),
        planner="sato",
        made_at=begin,
        minutes=60,
        overdue_minutes=120,
        halting=Halting.of(HaltingRule((MODEL,))),
        hosts=list(hosts),
    )
    ledger.plan(str(WAVE), plan.to_bytes(), int(begin.timestamp()), b"{}")
    ledger.add(str(WAVE), 0, lambda _: [Act("consent", detail="approver", document=b"{}")], plan.terminals)
