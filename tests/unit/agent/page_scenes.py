"""What the tests of the clerk's page need: a port, a folder as the role makes it, a clerk who opens and presses."""

import re
import socket
from pathlib import Path

import httpx

from unit.lines import NO_CAS

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def page_settings(folder: Path) -> dict[str, object]:
    """A `[page]` whose folder belongs to a group alone."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0o2750)
    return {"port": free_port(), "folder": folder}


class Clerk:
    """Somebody who may read the folder: opens the file as a browser would, keeps the cookie, presses buttons."""

    def __init__(self, folder: Path) -> None:
        text = (folder / "renkei.html").read_text()
        found = re.search(r'action="(http://[^/]+)(/\w+/)enter"', text)
        ticket = re.search(r'name="ticket" value="([^"]+)"', text)
        assert found is not None
        assert ticket is not None
        self.origin, self.prefix, self.ticket = found[1], found[2], ticket[1]
        headers = {"Origin": self.origin, "Sec-Fetch-Site": "same-origin"}
        self.http = httpx.Client(base_url=self.origin, headers=headers, verify=NO_CAS)

    def enter(self) -> httpx.Response:
        foreign = {"Origin": "null", "Sec-Fetch-Site": "cross-site"}
        return self.http.post(f"{self.prefix}enter", data={"ticket": self.ticket}, headers=foreign)

    def get(self, path: str = "") -> httpx.Response:
        return self.http.get(f"{self.prefix}{path}")

    def csrf(self) -> str:
        found = re.search(r'name="csrf" value="([^"]+)"', self.get().text)
        assert found is not None
        return found[1]

    def press(self, path: str, **fields: str) -> httpx.Response:
        return self.http.post(f"{self.prefix}{path}", data={"csrf": self.csrf(), **fields}, follow_redirects=True)
