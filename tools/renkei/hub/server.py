"""The hub's process: one event loop, four Unix sockets, and what it does by itself now and then."""

import asyncio
import contextlib
import grp
import logging
import os
import signal
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from renkei.exchange.bindings import TrustAnchor
from renkei.exchange.errors import ExchangeError
from renkei.hub import app
from renkei.hub.context import Hub
from renkei.hub.metrics import Metrics
from renkei.hub.notify import notify
from renkei.hub.protocol import HubProtocol
from renkei.hub.settings import Settings
from renkei.hub.upkeep import (
    flush_once,
    hear_other_hubs,
    keep_flushing,
    keep_head_once,
    keep_heads,
    keep_house,
    look_for_identity,
    wait_for_identity,
)
from renkei.store.errors import StoreError
from renkei.store.hub.contract import Bounds
from renkei.store.hub.postgresql import PostgresHubStore
from renkei.store.hub.sqlite import SqliteHubStore
from renkei.store.hub.store import SqlHubStore
from renkei.store.postgresql import Server

SOCKET = "hub.sock"
"""The exchange listener's socket, in the folder of the setting `run`."""

GATEWAY_SOCKET = "gateway.sock"
"""Where the gateway asks for its next certificate."""

_BACKLOG = 1024
_GRACE_SECONDS = 10
_KEEP_ALIVE_SECONDS = 75

log = logging.getLogger("renkei.hub")


class ServeError(Exception):
    """The hub can't start; the text says what to do."""


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to the process, which has several of them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def open_hub(settings: Settings, *, serving: bool = False, owning: bool = False) -> tuple[Hub, SqlHubStore]:
    """Open the store and the trust anchor; a hub that will be `serving` demands all that the settings say.

    Args:
        settings: of the hub.
        serving: see above.
        owning: whether the store is opened as its owner, who may change its tables.

    Raises:
        ServeError: either can't be opened.
    """
    try:
        anchor = TrustAnchor(settings.root.read_text(encoding="ascii"))
    except (OSError, ValueError, ExchangeError) as error:
        raise ServeError(f"{settings.root}: {error}; the setting root must name the root certificate") from error
    limits = settings.limits
    bounds = Bounds(
        unreceipted_per_stream=limits.unreceipted_per_stream,
        pending_enrolments=limits.pending_enrolments,
        pending_enrolments_per_address=limits.pending_enrolments_per_address,
    )
    try:
        store = open_store(settings, bounds, serving=serving, owning=owning)
    except StoreError as error:
        raise ServeError(str(error)) from error
    return Hub(store, anchor, settings, lambda: datetime.now(UTC), Metrics()), store


def open_store(settings: Settings, bounds: Bounds, *, serving: bool, owning: bool) -> SqlHubStore:
    """Open the store that the settings name.

    Raises:
        StoreError: it can't be opened, or isn't durable.
    """
    if (chosen := settings.store) is None:
        return SqliteHubStore(settings.database, bounds)
    owner = chosen.owner_url
    server = Server(owner if owning and owner else chosen.url, standby=serving and chosen.synchronous_standby)
    return PostgresHubStore(server, bounds, migrate=owning or owner is None)


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then let requests end and close the store.

    Raises:
        ServeError: the hub can't start.
    """
    hub, store = open_hub(settings, serving=True)
    try:
        await _serve(hub, store)
    finally:
        store.close()


async def _serve(hub: Hub, store: SqlHubStore) -> None:
    run, group = hub.settings.run, hub.settings.socket_group
    listeners = (
        (app.exchange(hub), run / SOCKET, group),
        (app.enrolment(hub), run / "enrolment.sock", group),
        (app.gateway(hub), run / GATEWAY_SOCKET, hub.settings.gateway_group),
        (app.health(hub), run / "health.sock", None),
    )
    servers = [(_server(hub, application), listen(path, owner)) for application, path, owner in listeners]
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    await look_for_identity(hub)
    await keep_head_once(hub)  # before anybody speaks: an epoch's first head says where it begins
    async with asyncio.TaskGroup() as tasks:
        serving = [tasks.create_task(server.serve([sock])) for server, sock in servers]
        upkeep = (
            wait_for_identity(hub),
            keep_flushing(hub, store),
            keep_heads(hub),
            keep_house(hub),
            hear_other_hubs(hub),
        )
        own = [tasks.create_task(work) for work in upkeep]
        notify("READY=1", "STATUS=serving" if hub.identity else "STATUS=waiting for the hub's directory entry")
        log.info("serving sockets=%s entry=%s", run, "yes" if hub.identity else "no")
        await stopping.wait()
        notify("STOPPING=1")
        log.info("stopping")
        hub.waiters.close()
        for server, _ in servers:
            server.should_exit = True
        await asyncio.wait(serving)
        for task in own:
            task.cancel()
    await flush_once(hub, store)


def _server(hub: Hub, application: ASGIApp) -> _Server:
    config = uvicorn.Config(
        application,
        loop="uvloop",
        http=HubProtocol,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=hub.settings.limits.connections,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    return _Server(config)


def listen(path: Path, group: str | None) -> socket.socket:
    """Return a Unix socket that listens at `path`, for this user and `group` alone; a stale one is replaced.

    Raises:
        ServeError: another process listens there, or the path or group can't be had.
    """
    check_free(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)
        sock.bind(str(path))
        path.chmod(0o660)
        if group is not None and path.stat().st_gid != (number := grp.getgrnam(group).gr_gid):
            os.chown(path, -1, number)
        sock.listen(_BACKLOG)
    except (OSError, KeyError) as error:
        sock.close()
        raise ServeError(
            f"{path}: {error}; the folder (setting run) must be the hub's, its user a member of the group, "
            "and chown allowed to the service unless the folder gives its sockets that group"
        ) from error
    return sock


def check_free(path: Path) -> None:
    """See that nobody listens on a socket.

    Raises:
        ServeError: another process does.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return
    raise ServeError(f"{path}: another process listens there; stop it first")
