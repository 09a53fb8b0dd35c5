"""The beginning of every exchange: is this the hub, has it an unbroken journal, is it the one that we know?"""

from dataclasses import dataclass
from datetime import timedelta

from renkei.agent import crl
from renkei.agent.home import Home, log, now, stamp
from renkei.client.answers import HubState
from renkei.client.errors import GatewayNotTrusted, NotAllowed
from renkei.client.hub import HubClient
from renkei.exchange.bindings import BindingError, VerifiedParty
from renkei.exchange.clock import format_time
from renkei.exchange.documents import DocumentError, peek
from renkei.exchange.journal import ProofError, verify_consistency
from renkei.exchange.parties import HUB
from renkei.exchange.payloads import TreeHead
from renkei.store.heads import SignedHead
from renkei.store.spool import SeenTreeHead

HOURLY_HEADS = timedelta(days=30)
"""For so long one head an hour is kept, then one a day."""

KEPT_HEADS = timedelta(days=400)
"""As long as a notice is kept, and the time that it takes to look into it."""


class HubNotGenuine(Exception):
    """What answers in the hub's place can't prove to be the hub, or contradicts what it signed before."""


@dataclass(frozen=True, slots=True)
class Contact:
    """A hub that proved to be the hub, and its epoch."""

    client: HubClient
    hub: VerifiedParty
    epoch: int


def establish(home: Home, client: HubClient) -> Contact:
    """Ask the hub who it is, take its list of revoked certificates, verify the answer, and note a new epoch.

    Raises:
        HubNotGenuine: the entry, the tree head or the consistency proof doesn't hold; alarmed too.
        HubError: the request failed; where the hub or its gateway turns this machine away, alarmed too.
    """
    try:
        state = client.state()
    except (NotAllowed, GatewayNotTrusted) as error:
        home.alarm("hub", "access", str(error))
        raise
    crl.follow(home, client, state)
    try:
        hub = home.anchor.verify_entry(state.entry, now(), HUB)
        head = TreeHead.open(state.tree_head, hub.signing_public_key)
        _follow_epoch(home, state, head)
        _follow_journal(home, client, head, state)
    except (BindingError, DocumentError, HubNotGenuine) as error:
        home.alarm("hub", "identity", str(error))
        raise HubNotGenuine(str(error)) from error
    for alarm in home.spool.alarms():
        if (alarm.kind, alarm.subject) in {("hub", "identity"), ("hub", "access")}:
            home.spool.settle(alarm.kind, alarm.subject)
    _keep(home, head, state)
    if head.epoch != home.spool.epoch:
        home.spool.enter_epoch(head.epoch)
    home.spool.note(hub_seen_at=stamp())
    return Contact(client, hub, head.epoch)


def _keep(home: Home, head: TreeHead, state: HubState) -> None:
    """Keep the head as evidence, for the ministry to compare with what the hub showed to others."""
    signed = SignedHead(
        signed_at=format_time(head.signed_at),
        envelope=state.tree_head,
        key_id=peek(state.tree_head).key_id,
        entry=state.entry.to_json().decode(),
    )
    daily_before, forget_before = (format_time(now() - age) for age in (HOURLY_HEADS, KEPT_HEADS))
    home.spool.heads.keep(signed, head.epoch, daily_before, forget_before)


def _follow_epoch(home: Home, state: HubState, head: TreeHead) -> None:
    """Epochs only rise: a hub that was restored begins a new one."""
    known = home.spool.epoch
    if head.epoch != state.epoch:
        raise HubNotGenuine(f"the hub says epoch {state.epoch}, its tree head {head.epoch}")
    if head.epoch < known:
        raise HubNotGenuine(f"the hub went back from epoch {known} to {head.epoch}; was it restored without a new one?")
    if known and head.epoch > known:
        log.warning("the hub was restored (epoch %d): everything without a receipt is offered again", head.epoch)


def _follow_journal(home: Home, client: HubClient, head: TreeHead, state: HubState) -> None:
    """The journal only grows: the new head must contain the one seen before."""
    seen = home.spool.tree_head(head.epoch)
    if seen is not None and seen.size == head.size:
        if seen.root != head.root:
            raise HubNotGenuine(
                f"the hub signed two journals of size {head.size}: {seen.root[:16]}…, {head.root[:16]}…"
            )
        return
    if seen is not None and seen.size > head.size:
        raise HubNotGenuine(f"the hub's journal shrank from {seen.size} to {head.size} entries in one epoch")
    if seen is not None and seen.size > 0:
        proof = client.consistency_proof(seen.size, head.size)
        try:
            path = [bytes.fromhex(digest) for digest in proof]
            verify_consistency(seen.size, bytes.fromhex(seen.root), head.size, bytes.fromhex(head.root), path)
        except ProofError as error:
            raise HubNotGenuine(f"the hub's journal was rewritten after entry {seen.size}: {error}") from error
    home.spool.note_tree_head(SeenTreeHead(head.epoch, head.size, head.root), state.tree_head)
