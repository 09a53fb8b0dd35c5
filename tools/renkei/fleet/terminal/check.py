"""Whether a machine meets the specification, item by item."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from renkei.fleet.terminal.facts import Fact, TerminalFacts
from renkei.fleet.terminal.specification import Need, Source, Specification
from renkei.fleet.terminals import Profile


class Standing(StrEnum):
    """How a machine stands to one item."""

    MET = "met"
    MISSED = "missed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Judged:
    """One item held against a machine; `demand` and `found` are Japanese, for the report."""

    id: str
    section: str
    name: str
    need: Need
    demand: str
    found: str
    standing: Standing


@dataclass(frozen=True, slots=True)
class Judgement:
    """All items. A machine fits when nothing required is missed and nothing required is unknown."""

    items: tuple[Judged, ...]

    def required(self, standing: Standing) -> tuple[Judged, ...]:
        """Give the required items of a standing."""
        return tuple(each for each in self.items if each.need is Need.REQUIRED and each.standing is standing)

    @property
    def fits(self) -> bool:
        """Whether the machine can serve."""
        return not self.required(Standing.MISSED) and not self.required(Standing.UNKNOWN)


def check(specification: Specification, facts: TerminalFacts, profile: Profile, today: date) -> Judgement:
    """Hold a machine against the items of its profile; an operating system counts while it is supported `today`."""
    judged = [
        Judged(
            id=item.id,
            section=item.section,
            name=item.name,
            need=item.need,
            demand=item.must.describe(item.unit),
            found=_describe(fact, item.unit),
            standing=_standing(known=fact is not None, holds=fact is not None and item.must.holds(fact)),
        )
        for item in specification.items_for(profile)
        for fact in [facts.value(item.fact)]
    ]
    system, software = _operating_system(specification, facts, today), _software(specification, facts, profile)
    return Judgement((*judged, *system, *software))


def _software(specification: Specification, facts: TerminalFacts, profile: Profile) -> Iterator[Judged]:
    """Judge what vendors bring; what the kit itself releases comes onto the machine later, by its own digests."""
    installed = {each.id: each.version for each in facts.software or ()}
    for each in specification.software_for(profile):
        if each.source is not Source.VENDOR:
            continue
        found = installed.get(each.id, "")
        version = tuple(map(int, found.split("."))) if found else ()
        yield Judged(
            id=each.id,
            section="ソフトウェア",
            name=each.name,
            need=Need.REQUIRED,
            demand=each.demand,
            found=found or ("" if facts.software is None else "なし"),
            standing=_standing(known=facts.software is not None, holds=version >= each.version_at_least),
        )


def _operating_system(specification: Specification, facts: TerminalFacts, today: date) -> Iterator[Judged]:
    supported = [system for system in specification.operating_systems if today <= system.supported_until]
    edition, build = facts.os.edition, facts.build
    same = [system for system in supported if build and (system.edition, system.build) == (edition, build[0])]
    yield Judged(
        id="operating-system",
        section="ソフトウェア",
        name="OS",
        need=Need.REQUIRED,
        demand=" / ".join(system.name for system in supported) or "なし",
        found=same[0].name if same else " ".join(filter(None, (edition, facts.os.build))),
        standing=_standing(known=edition is not None and build is not None, holds=bool(same)),
    )
    if same and build:
        floor = same[0].revision_at_least
        yield Judged(
            id="operating-system-build",
            section="ソフトウェア",
            name="OSのビルド",
            need=Need.REQUIRED,
            demand=f"{same[0].build}.{floor}以上",
            found=f"{build[0]}.{build[1]}",
            standing=_standing(known=True, holds=build[1] >= floor),
        )


def _standing(*, known: bool, holds: bool) -> Standing:
    if not known:
        return Standing.UNKNOWN
    return Standing.MET if holds else Standing.MISSED


def _describe(fact: Fact, unit: str) -> str:
    if fact is None:
        return ""
    if isinstance(fact, bool):
        return "はい" if fact else "いいえ"
    if isinstance(fact, list):
        return "、".join(fact) or "なし"
    return f"{fact:,}{unit}" if isinstance(fact, int | float) else fact or "なし"
