"""The page's thread in the agent's service. An exchange never depends on it: what hinders the page is an alarm."""

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from renkei.agent.activity import Activity
from renkei.agent.home import Home, log
from renkei.agent.page.app import make_app
from renkei.agent.page.door import HOST, Door, DoorOpen

_ALARM = "page"
_CONNECTIONS = 32
_HEADER_BYTES = 16 * 1024
_SECONDS_TO_END = 5.0


@contextmanager
def page(home: Home, activity: Activity) -> Iterator[None]:
    """Serve the page while the block runs, where the settings ask for it."""
    if home.settings.page is None:
        yield
        return
    door = Door(home.settings.page)
    try:
        listener = _listen(home.settings.page.port)
    except OSError as error:
        text = f"{door.origin} can't be served ({error.strerror}); choose another page.port, or end what has it"
        home.alarm(_ALARM, "port", text)
        yield
        return
    home.spool.settle(_ALARM, "port")
    server = uvicorn.Server(_settings(home, door, activity))
    thread = threading.Thread(target=server.run, args=([listener],), name="page", daemon=True)
    thread.start()
    try:
        _lay_out(home, door)
        yield
    finally:
        door.close()
        server.should_exit = True
        thread.join(_SECONDS_TO_END)
        listener.close()


def _lay_out(home: Home, door: Door) -> None:
    try:
        door.open()
    except (DoorOpen, OSError) as error:
        home.alarm(_ALARM, "folder", str(error))
    else:
        home.spool.settle(_ALARM, "folder")
        log.info("the clerk's page is at %s; open it by %s", door.origin, door.file)


def _listen(port: int) -> socket.socket:
    listener = socket.create_server((HOST, port), backlog=_CONNECTIONS)
    listener.set_inheritable(False)
    # connections have it from here: asyncio doesn't set it on them, and every answer would wait 40 ms for the other end
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _settings(home: Home, door: Door, activity: Activity) -> uvicorn.Config:
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    return uvicorn.Config(
        make_app(home, door, activity),
        access_log=False,
        h11_max_incomplete_event_size=_HEADER_BYTES,
        http="h11",
        lifespan="off",
        limit_concurrency=_CONNECTIONS,
        log_config=None,
        loop="asyncio",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=1,
        timeout_keep_alive=5,
        ws="none",
    )
