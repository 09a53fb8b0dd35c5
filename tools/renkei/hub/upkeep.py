"""What the hub does by itself: look for its entry, write down contacts, count, delete what nobody took up."""

import asyncio
import logging

from renkei.exchange.bindings import TrustAnchor
from renkei.exchange.errors import ExchangeError
from renkei.hub.context import Hub
from renkei.hub.identity import IdentityError, find_identity
from renkei.hub.journal import keep_head
from renkei.hub.notify import notify
from renkei.store.errors import StoreError
from renkei.store.hub.refusals import StoreRefusal
from renkei.store.hub.store import SqlHubStore

_DAY = 86_400
_WAITING_SECONDS = 1
_FLUSH_SECONDS = 5
_HOUSEKEEPING_SECONDS = 300
_HEADS_SECONDS = 60

log = logging.getLogger("renkei.hub")


async def wait_for_identity(hub: Hub) -> None:
    """Find the hub's entry when it comes by `renkei-hub install-entry`, and again when it is renewed."""
    while True:
        await asyncio.sleep(_WAITING_SECONDS if hub.identity is None else _HOUSEKEEPING_SECONDS)
        before = hub.identity
        await look_for_identity(hub)
        if before is None and hub.identity is not None:
            notify("STATUS=serving")
            log.info("directory entry found")


async def look_for_identity(hub: Hub) -> None:
    """Take the hub's trust anchor, keys and entry as they are now."""
    try:
        hub.anchor = TrustAnchor(hub.settings.root.read_text(encoding="ascii"))
    except (OSError, ValueError, ExchangeError) as error:
        log.warning("the trust anchor stays as it was: %s: %s", hub.settings.root, error)
    try:
        hub.identity = await find_identity(hub.store, hub.settings.keys, hub.now())
    except (IdentityError, ExchangeError, StoreError) as error:
        log.warning("no identity: %s", error)
    hub.metrics.ready.set(hub.identity is not None)
    hub.metrics.expiry.set(hub.identity.not_after if hub.identity else 0)


async def hear_other_hubs(hub: Hub) -> None:
    """Wake those who wait here for what another hub on the same store took."""
    async for party in hub.store.arrivals():
        hub.waiters.wake(party)


async def keep_flushing(hub: Hub, store: SqlHubStore) -> None:
    """Write down contacts and renew the counts, every few seconds."""
    while True:
        await asyncio.sleep(_FLUSH_SECONDS)
        try:
            await flush_once(hub, store)
        except StoreError as error:
            log.warning("flush failed: %s", error)


async def flush_once(hub: Hub, store: SqlHubStore) -> None:
    """Write down who was heard of, and take over the store's counts into the metrics."""
    contacts, hub.contacts = hub.contacts, {}
    seen = hub.exchanges.take()
    if contacts or seen:
        await asyncio.gather(store.touch(contacts), store.note_exchanges(seen))
    counts, now = await store.counts(), hub.now()
    live, expiring = await store.expiring(now, now + 30 * _DAY)
    hub.metrics.note_store(store.statistics)
    hub.metrics.short.set(bool(hub.room.shortage()))
    hub.metrics.inbox.set(sum(each.waiting for each in counts))
    hub.metrics.held.set(sum(each.held_bytes for each in counts))
    hub.metrics.live.set(live)
    hub.metrics.expiring.set(expiring)
    hub.metrics.pending.set(await store.pending_enrolments())
    hub.metrics.tree.set((await store.tree()).size)


async def keep_head_once(hub: Hub) -> None:
    """Keep a signed head if one is due; a journal that can't be signed is no reason not to serve what can be."""
    try:
        if await keep_head(hub):
            log.info("kept a signed head of the journal")
    except StoreError as error:
        log.warning("no head was kept: %s", error)
    except StoreRefusal as error:
        log.critical("no head can be kept, the journal isn't whole: %s", error)


async def keep_heads(hub: Hub) -> None:
    """Sign a head of the journal every hour, and keep it."""
    while True:
        await keep_head_once(hub)
        await asyncio.sleep(_WAITING_SECONDS if hub.identity is None else _HEADS_SECONDS)


async def keep_house(hub: Hub) -> None:
    """Delete what nobody took up, and what is settled and has been kept for its year."""
    limits = hub.settings.limits
    while True:
        now = hub.now()
        parts_before = now - limits.part_lifetime_hours * 3600
        enrolments_before = now - limits.enrolment_lifetime_days * _DAY
        settled_before = now - limits.settled_message_days * _DAY
        try:
            while await hub.store.expire(parts_before, enrolments_before, settled_before):
                pass
        except StoreError as error:
            log.warning("housekeeping failed: %s", error)
        await asyncio.sleep(_HOUSEKEEPING_SECONDS)
