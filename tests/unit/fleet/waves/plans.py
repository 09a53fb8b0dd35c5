"""A wave over the sample fleet, the update that it brings, and the authority's key."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from renkei.exchange.certificates import make_key
from renkei.exchange.documents import Signer
from renkei.exchange.updates import Catalogue, Update
from renkei.fleet.model import Fleet
from renkei.fleet.waves.plan import Plan, Wish, make_plan

BEGIN = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
OLD, NEW, KB = "26100.4000", "26100.4061", "KB5058411"
WAVE = UUID("6a1d9d0e-9d3b-4f0a-8f43-5d8f3d6f3d11")
UPDATE = Update(kb=KB, build=NEW, file="kb.msu", sha256="ab" * 32, size=700_000_000, urgency="routine", requires=[])
CATALOGUE = Catalogue(number=7, issued_at=BEGIN, updates=[UPDATE])
AUTHORITY = make_key()
SIGNER = Signer(AUTHORITY)


def nightly(endpoint: str, start: datetime, until: datetime) -> list[tuple[datetime, datetime]]:
    """18:00 to 23:00 in Japan every day; an office in ten closes an hour earlier."""
    hours = 4 if endpoint[-2] == "3" else 5
    first = start.replace(hour=9, minute=0, second=0, microsecond=0)
    nights = [first + timedelta(days=day) for day in range((until - start).days + 1)]
    return [(night, night + timedelta(hours=hours)) for night in nights if start <= night < until]


def planned(fleet: Fleet, wave: UUID = WAVE, now: datetime = BEGIN, urgency: str = "routine") -> Plan:
    catalogue = CATALOGUE.model_copy(update={"updates": [UPDATE.model_copy(update={"urgency": urgency})]})
    return make_plan(Wish(kbs=(KB,), planner="sato"), fleet, (catalogue, "cd" * 32), nightly, wave, now)
