"""Where each update of the ministry's list stands, as a pure function of what people did with it.

    import → waiting → approve (by somebody else) → in the next catalogue, for WSUS in the approved rings
                     → decline, with a reason      → in no catalogue any more, declined at WSUS

Importing an update that differs from what is there begins anew; a declined one may be approved after all. Whoever
imported or approved signed for it by his own key, over the update's digest and the rings: a list that was changed
behind their backs isn't signed.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from graphlib import CycleError, TopologicalSorter
from hashlib import sha256
from typing import Final, Literal
from uuid import UUID, uuid5

from renkei.exchange.clock import whole_seconds
from renkei.exchange.documents import DocumentError, Signer, canonical, peek
from renkei.exchange.updates import Catalogue, Consent, Update
from renkei.fleet.waves.consents import People
from renkei.store.update_list import Act, Issued

Standing = Literal["waiting", "approved", "declined"]
_NAMESPACE: Final = UUID("8d0f6c1a-52a7-4f0e-9d57-3f1b6a6a6f2e")


class ListError(ValueError):
    """What a person asks for can't be done with the list, or the list can't be believed; the text says why."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An update of the list.

    Attributes:
        update: what the catalogue says of it.
        importer, imported_at: who brought it, and when (seconds since 1970).
        standing: waiting, approved or declined.
        person, at: who approved or declined it last, and when.
        why: the reason of a decline.
        rings: the rings that may have it from WSUS.
        words: the importer's consent, then (rings, consent) of each approval that counts.
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


def import_acts(acts: list[Act], updates: Sequence[Update], person: str, signer: Signer, now: datetime) -> list[Act]:
    """Return what is written down of an import; what is there already, as it is, is not imported again.

    Raises:
        ListError: two updates have one file.
    """
    known = read_list(acts)
    files = {each.update.file: kb for kb, each in known.items()} | {each.file: each.kb for each in updates}
    for kb, update in [*((kb, each.update) for kb, each in known.items()), *((each.kb, each) for each in updates)]:
        if files[update.file] != kb:
            raise ListError(f"{kb} and {files[update.file]} have one file, {update.file}: rename one of them")
    at = int(whole_seconds(now).timestamp())
    return [
        Act("import", each.kb, person, _text(each), _consent(each, (), "planner", person, signer, now), at)
        for each in updates
        if each.kb not in known or known[each.kb].update != each
    ]


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
        ListError: an update isn't there, he imported it himself, or one of both words doesn't hold.
    """
    listed, at = read_list(acts), int(whole_seconds(now).timestamp())
    made = [
        Act("approve", kb, person, " ".join(rings), _consent(each.update, rings, "approver", person, signer, now), at)
        for kb, each in _chosen(listed, kbs)
    ]
    after = read_list([*acts, *made])
    for kb in kbs:
        check(after[kb], people)
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
    """Believe that an update was imported by one person and approved, for its rings, by others.

    Raises:
        ListError: it wasn't; the text says whose word doesn't hold.
    """
    kb = listed.update.kb
    if not listed.approvals:
        raise ListError(f"{kb} isn't approved")
    _check_word(listed.imported, listed.update, (), ("planner", listed.importer), people)
    for person, rings, document in listed.approvals:
        if person == listed.importer:
            raise ListError(f"{person} imported {kb}: somebody else must approve it")
        _check_word(document, listed.update, rings, ("approver", person), people)


def approved(acts: Iterable[Act], people: People) -> list[Update]:
    """Return the approved updates in the order of their prerequisites, once every word for them holds.

    Raises:
        ListError: a word doesn't hold, one requires what isn't approved, or they require one another.
    """
    listed = {kb: each for kb, each in read_list(acts).items() if each.standing == "approved"}
    for kb, each in listed.items():
        check(each, people)
        if lacking := [other for other in each.update.requires if other not in listed]:
            raise ListError(f"{kb} requires {', '.join(lacking)}, which isn't approved")
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


def for_update_source(acts: Iterable[Act], people: People, rings: Collection[str]) -> dict[str, object]:
    """Return the variables of the role `update_source`: what each ring may have, and what nobody is offered.

    Args:
        acts: the list.
        people: whose words count.
        rings: the fleet's.

    Raises:
        ListError: see `approved`; or an approval names a ring that the fleet hasn't.
    """
    listed = read_list(acts)
    order = [update.kb for update in approved(acts, people)]
    having: dict[str, list[str]] = {ring: [] for ring in rings}
    for kb in order:
        for ring in listed[kb].rings:
            if ring not in having:
                raise ListError(f"{kb} is approved for the ring {ring!r}; the fleet has {', '.join(rings)}")
            having[ring].append(kb)
    declined = sorted(kb for kb, each in listed.items() if each.standing == "declined")
    return {"update_source_approved": having, "update_source_declined": declined}


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


def _subject(update: Update, rings: Sequence[str]) -> tuple[UUID, str]:
    """What a person signs for: the update by its number, and the digest of what it is and for whom."""
    words = {"update": update.model_dump(mode="json"), "rings": list(rings)}
    return uuid5(_NAMESPACE, update.kb), sha256(canonical(words)).hexdigest()


def _consent(update: Update, rings: Sequence[str], role: str, person: str, signer: Signer, now: datetime) -> bytes:
    subject, digest = _subject(update, rings)
    words = {"wave": str(subject), "plan_sha256": digest, "person": person, "role": role}
    return Consent.read({**words, "at": whole_seconds(now)}).sign(signer)


def _check_word(
    document: bytes, update: Update, rings: Sequence[str], expected: tuple[str, str], people: People
) -> None:
    role, person = expected
    if person not in people:
        raise ListError(f"{person}, {role} of {update.kb}, isn't among the people")
    try:
        consent = Consent.open(document, people[person])
    except DocumentError as error:
        raise ListError(f"the word of {person} on {update.kb} isn't signed by his key: {error}") from None
    if (consent.person, consent.role, consent.wave, consent.plan_sha256) != (person, role, *_subject(update, rings)):
        raise ListError(f"{person} signed for another {update.kb} than the list has: import and approve it anew")


def as_json(listed: Listed) -> dict[str, object]:
    """Return an update of the list as JSON values."""
    return {
        **json.loads(_text(listed.update)),
        "standing": listed.standing,
        "imported_by": listed.importer,
        "by": listed.person,
        "why": listed.why,
        "rings": list(listed.rings),
    }
