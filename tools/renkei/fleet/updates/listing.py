"""Where each update of the ministry's list stands, as a pure function of what people did with it.

    import → waiting → approve (by somebody else) → in the next catalogue, for WSUS in the approved rings
                     → decline, with a reason      → in no catalogue any more, declined at WSUS

Importing begins anew where the update differs from what is there, was declined, or a word for it doesn't hold; a
declined one may be approved after all. Whoever imported or approved signed for it by his own key, over the update's
digest and the rings (`words`): a list that was changed behind their backs isn't signed. Nor is one that rests on a key
which its person has no more: each ring needs an approval that counts today, and the import a word that does.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from graphlib import CycleError, TopologicalSorter
from typing import Literal

from renkei.exchange.clock import format_time, whole_seconds
from renkei.exchange.documents import DocumentError, Signer, canonical, peek
from renkei.exchange.updates import Catalogue, Update
from renkei.fleet.updates import words
from renkei.fleet.updates.words import OutdatedWordError, WordError
from renkei.fleet.waves.consents import People
from renkei.store.update_list import Act, Issued

Standing = Literal["waiting", "approved", "declined"]


class ListError(ValueError):
    """What a person asks for can't be done with the list, or the list can't be believed; the text says why."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An update of the list.

    Attributes:
        update: what the catalogue says of it.
        importer, imported_at: who brought it last, and when (seconds since 1970).
        standing: waiting, approved or declined, since then.
        person, at: who approved or declined it last, and when (the same); empty and 0 while it waits.
        why: the reason of a decline, else empty.
        rings: those that it is approved for, and that may have it from WSUS once a catalogue has it; whether the
            approvals count today, `check` tells.
        imported: the importer's signed word.
        approvals: (person, rings, signed word) of each approval since the import or the last decline, oldest first.
    """

    update: Update
    importer: str
    imported_at: int
    standing: Standing = "waiting"
    person: str = ""
    at: int = 0
    why: str = ""
    rings: tuple[str, ...] = ()
    imported: bytes = field(default=b"", repr=False)
    approvals: tuple[tuple[str, tuple[str, ...], bytes], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Package:
    """What a signed catalogue says of a file: its digest (hex), and the catalogue's number."""

    sha256: str
    number: int


def read_list(acts: Iterable[Act]) -> dict[str, Listed]:
    """Return the updates by their numbers, in the order in which they first came.

    Raises:
        DocumentError: the list holds an update that is none.
    """
    found: dict[str, Listed] = {}
    for act in acts:
        if act.what == "import":
            found[act.kb] = Listed(_update(act.detail), act.person, act.at, imported=act.document)
            continue
        before = found.get(act.kb)
        if before is None:
            raise ListError(f"the list has an act of {act.person} on {act.kb}, which nobody imported")
        if act.what == "decline":
            found[act.kb] = replace(
                before, standing="declined", person=act.person, at=act.at, why=act.detail, rings=(), approvals=()
            )
        else:
            rings = tuple(act.detail.split())
            found[act.kb] = replace(
                before,
                standing="approved",
                person=act.person,
                at=act.at,
                why="",
                rings=tuple(dict.fromkeys((*before.rings, *rings))),
                approvals=(*before.approvals, (act.person, rings, act.document)),
            )
    return found


def signed_packages(catalogues: Iterable[Issued]) -> dict[str, Package]:
    """Return the digest of each file that a catalogue names, and the last number of one; oldest first.

    Names are in small letters: media and Windows know no others.

    Raises:
        DocumentError: one is no catalogue.
    """
    return {
        update.file.casefold(): Package(update.sha256, issued.number)
        for issued in catalogues
        for update in Catalogue.read(peek(issued.envelope).payload).updates
    }


def import_acts(
    acts: list[Act],
    signed: Mapping[str, Package],
    updates: Sequence[Update],
    person: str,
    signer: Signer,
    people: People,
    now: datetime,
) -> list[Act]:
    """Return what is written down of an import; what is there already, as it is, and holds is not imported again.

    An update begins anew that differs, was declined, or for which a word doesn't hold. The name that a signed catalogue
    has given to a package is that package's for good: orders and media find it by it.

    Raises:
        ListError: two updates have one file, or a file has the name of another package (a line each); or his word
            doesn't count.
    """
    known = read_list(acts)
    files = {each.update.file.casefold(): kb for kb, each in known.items()}
    files |= {each.file.casefold(): each.kb for each in updates}
    problems = [
        f"{kb} and {files[update.file.casefold()]} have one file, {update.file}: rename one of them"
        for kb, update in [*((kb, each.update) for kb, each in known.items()), *((each.kb, each) for each in updates)]
        if files[update.file.casefold()] != kb
    ]
    problems += [
        f"{each.file}: catalogue {package.number} has another package of this name, sha256 {package.sha256}: give the"
        " new one a name of its own, in the list that came with it, too"
        for each in updates
        if (package := signed.get(each.file.casefold())) is not None and package.sha256 != each.sha256
    ]
    if problems:
        raise ListError("\n".join(dict.fromkeys(problems)))
    at = int(whole_seconds(now).timestamp())
    made = [
        Act("import", each.kb, person, _text(each), words.sign(each, (), "planner", person, signer, now), at)
        for each in updates
        if each.kb not in known or known[each.kb].update != each or not _holds(known[each.kb], people)
    ]
    for update, act in zip([_update(each.detail) for each in made], made, strict=True):
        _own(act.document, update, (), "planner", person, people)
    return made


def approve_acts(
    acts: list[Act],
    kbs: Sequence[str],
    rings: Sequence[str],
    person: str,
    signer: Signer,
    people: People,
    now: datetime,
) -> list[Act]:
    """Return what is written down of an approval.

    Raises:
        ListError: an update isn't there, he imported it himself, or a word for it doesn't hold.
    """
    listed, at = read_list(acts), int(whole_seconds(now).timestamp())
    made = []
    for kb, each in _chosen(listed, kbs):
        document = words.sign(each.update, rings, "approver", person, signer, now)
        _own(document, each.update, rings, "approver", person, people)
        made.append(Act("approve", kb, person, " ".join(rings), document, at))
    after = read_list([*acts, *made])
    for kb in kbs:
        _lapsed(after[kb], people)  # rings whose approval no longer counts may be approved one after the other
    return made


def decline_acts(acts: list[Act], kbs: Sequence[str], why: str, person: str, now: datetime) -> list[Act]:
    """Return what is written down of a decline; it needs no second person, since it lets nothing happen.

    Raises:
        ListError: an update isn't there, or an approved one requires it.
    """
    listed = read_list(acts)
    chosen = dict(_chosen(listed, kbs))
    for kb, each in listed.items():
        if each.standing == "approved" and kb not in chosen and (needed := set(each.update.requires) & set(chosen)):
            raise ListError(f"{kb} is approved and requires {', '.join(sorted(needed))}: decline it, too")
    at = int(whole_seconds(now).timestamp())
    return [Act("decline", kb, person, why, at=at) for kb in chosen]


def check(listed: Listed, people: People) -> None:
    """Believe that an update was imported by one person and approved, for each of its rings, by others.

    An approval that its person's key no longer stands behind is as good as none: the others must be for all its rings.

    Raises:
        ListError: it wasn't; the text says whose word doesn't hold and what to do.
    """
    kb = listed.update.kb
    if not listed.approvals:
        raise ListError(f"{kb} isn't approved")
    left, outdated = _lapsed(listed, people)
    if outdated and (left or len(outdated) == len(listed.approvals)):
        again = "".join(f" --ring {ring}" for ring in left)
        raise ListError(
            f"{'; '.join(outdated)}: somebody else than {listed.importer} approves it anew"
            f" (`renkei updates approve {kb}{again}`), or `renkei updates decline {kb}`"
        )


def approved(acts: Iterable[Act], people: People) -> list[Update]:
    """Return the approved updates in the order of their prerequisites, once two people's words for each hold.

    Raises:
        ListError: a word doesn't hold, one requires what isn't approved (a line each), or they require one another.
    """
    listed = {kb: each for kb, each in read_list(acts).items() if each.standing == "approved"}
    problems = []
    for kb, each in listed.items():
        try:
            check(each, people)
        except ListError as error:
            problems.append(str(error))
        if lacking := [other for other in each.update.requires if other not in listed]:
            problems.append(f"{kb} requires {', '.join(lacking)}, which isn't approved")
    if problems:
        raise ListError("\n".join(problems))
    sorter = TopologicalSorter({kb: each.update.requires for kb, each in listed.items()})
    try:
        order = list(sorter.static_order())
    except CycleError as error:
        raise ListError(f"updates require one another: {', '.join(error.args[1])}") from None
    return [listed[kb].update for kb in order]


def issue(acts: list[Act], newest: Issued | None, people: People, signer: Signer, now: datetime) -> Issued:
    """Return the catalogue of what is approved: the newest one where it says the same by the same key, else a new one.

    Raises:
        ListError: see `approved`; or nothing is.
        DocumentError: it is no catalogue, such as by more than 128 updates.
    """
    updates = approved(acts, people)
    if not updates:
        raise ListError("nothing is approved: `renkei updates approve`")
    if newest is not None:
        outline = peek(newest.envelope)
        if outline.key_id == signer.key_id and Catalogue.read(outline.payload).updates == updates:
            return newest
    number, at = (newest.number if newest else 0) + 1, whole_seconds(now)
    envelope = Catalogue(number=number, issued_at=at, updates=updates).sign(signer)
    return Issued(number, envelope, int(at.timestamp()))


def _chosen(listed: dict[str, Listed], kbs: Sequence[str]) -> list[tuple[str, Listed]]:
    if strangers := [kb for kb in kbs if kb not in listed]:
        raise ListError(f"{', '.join(strangers)}: nobody imported it; the list has {', '.join(listed) or 'nothing'}")
    return [(kb, listed[kb]) for kb in dict.fromkeys(kbs)]


def _update(text: str) -> Update:
    try:
        return Update.model_validate_json(text)
    except ValueError as error:
        raise DocumentError(f"the list holds an update that is none: {error}") from None


def _text(update: Update) -> str:
    return canonical(update.model_dump(mode="json")).decode()


def _own(document: bytes, update: Update, rings: Sequence[str], role: words.Role, person: str, people: People) -> None:
    """Find out before it is written down that a word of this very moment wouldn't count."""
    try:
        words.check(document, update, rings, role, person, people)
    except WordError as error:
        raise ListError(f"{error}: use the key that belongs to {person}, or put the new one among the people") from None


def _lapsed(listed: Listed, people: People) -> tuple[list[str], list[str]]:
    """Return the rings for which no approval counts today, and why approvals that once did no longer do."""
    _check_importer(listed, people)
    allowed: set[str] = set()
    outdated: list[str] = []
    for person, rings, document in listed.approvals:
        if person == listed.importer:
            raise ListError(f"{person} imported {listed.update.kb}: somebody else must approve it")
        try:
            words.check(document, listed.update, rings, "approver", person, people)
            allowed.update(rings)
        except OutdatedWordError as error:
            outdated.append(str(error))
        except WordError as error:
            raise ListError(f"{error}: import it anew (`renkei updates import`), then have it approved") from None
    return [ring for ring in listed.rings if ring not in allowed], outdated


def _check_importer(listed: Listed, people: People) -> None:
    try:
        words.check(listed.imported, listed.update, (), "planner", listed.importer, people)
    except WordError as error:
        raise ListError(
            f"{error}: somebody of the people imports the package anew (`renkei updates import`), another approves it"
        ) from None


def _holds(listed: Listed, people: People) -> bool:
    """Tell whether importing it again would add nothing."""
    try:
        if listed.standing == "waiting":
            _check_importer(listed, people)
        else:
            check(listed, people)
    except ListError:
        return False
    return True


def as_json(listed: Listed) -> dict[str, object]:
    """Return an update of the list as JSON values."""
    return {
        **json.loads(_text(listed.update)),
        "standing": listed.standing,
        "imported_by": listed.importer,
        "imported_at": _moment(listed.imported_at),
        "by": listed.person,
        "at": _moment(listed.at) if listed.at else None,
        "why": listed.why,
        "rings": list(listed.rings),
    }


def _moment(seconds: int) -> str:
    return format_time(datetime.fromtimestamp(seconds, UTC))
