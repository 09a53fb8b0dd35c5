"""What the update service (WSUS) is told by the ministry's list: the approvals of each ring, and what was declined."""

from collections.abc import Collection, Mapping, Sequence

from renkei.exchange.documents import DocumentError, peek
from renkei.exchange.updates import Catalogue
from renkei.fleet.approvals import approvals
from renkei.fleet.updates.listing import ListError, approved, read_list
from renkei.fleet.waves.consents import People
from renkei.store.update_list import Act, Issued


def for_update_source(
    acts: list[Act], newest: Issued | None, people: People, rings: Collection[str]
) -> dict[str, object]:
    """Return the variables of the role `update_source`: what each ring may have, and what nobody is offered.

    The same rule as the role's own, over the same catalogue: a ring has what an update requires with it.

    Args:
        acts: the list.
        newest: the catalogue that was signed of it last.
        people: whose words count.
        rings: the fleet's.

    Raises:
        ListError: see `approved`; or an approval names a ring that the fleet hasn't, or isn't signed yet.
    """
    listed = read_list(acts)
    asked: dict[str, list[str]] = {ring: [] for ring in rings}
    for update in approved(acts, people):
        for ring in listed[update.kb].rings:
            if ring not in asked:
                raise ListError(f"{update.kb} is approved for the ring {ring!r}; the fleet has {', '.join(rings)}")
            asked[ring].append(update.kb)
    having = _let_have(newest, asked) if any(asked.values()) else {}
    found = {ring: [kb for kb, some in having.items() if ring in some] for ring in asked}
    declined = sorted(kb for kb, each in listed.items() if each.standing == "declined")
    return {"update_source_approved": found, "update_source_declined": declined}


def _let_have(newest: Issued | None, asked: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    if newest is None:
        raise ListError("no catalogue was signed yet: `renkei updates sign`, then this")
    try:
        return approvals(Catalogue.read(peek(newest.envelope).payload), asked)
    except DocumentError as error:
        raise ListError(f"{error}: sign what was approved since (`renkei updates sign`), then this") from None
