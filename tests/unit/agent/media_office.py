"""The ministry's agent and an endpoint's, with a medium between them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from renkei.agent import media
from renkei.agent.home import Home
from renkei.agent.keys import point_of
from renkei.agent.updates import patching
from renkei.agent.updates.places import Places
from renkei.exchange.certificates import make_key, make_request
from renkei.exchange.clock import whole_seconds
from renkei.exchange.documents import Signer, peek
from renkei.exchange.parties import MINISTRY, Party
from renkei.exchange.payloads import Payload
from renkei.exchange.updates import Catalogue, Order, PatchState
from unit.agent.update_host import order
from unit.agent.update_package import CONTENT, package

ENDPOINT = "131041"


@dataclass
class Office:
    """The ministry's agent and an endpoint's, a medium between them, and the authority."""

    ministry: Home
    endpoint: Home
    medium: Path
    signer: Signer
    entry: Any

    def order(self, **changes: Any) -> Order:
        begin = whole_seconds(patching.now())
        return order(1, begin, **{"updates": [package()], "permit": False, **changes})

    def lay_out(self, name: str, document: Payload, signer: Signer | None = None) -> None:
        path = Places(self.ministry.settings.home).updates / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(document.sign(signer or self.signer))

    def sign_catalogue(self, signer: Signer | None = None) -> None:
        """What `renkei updates sign` writes."""
        given = Catalogue(number=4, issued_at=whole_seconds(patching.now()), updates=[package()])
        envelope = given.sign(signer or self.signer).decode()
        path = Places(self.ministry.settings.home).updates / "catalogue.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"envelope": envelope, "entry": json.loads(self.entry.to_json())}))

    def packages(self) -> Path:
        folder = Places(self.ministry.settings.home).packages
        folder.mkdir(parents=True, exist_ok=True)
        (folder / package().file).write_bytes(CONTENT)
        return folder

    def go(self) -> media.Import:
        """An export of the ministry's, and its import at the endpoint."""
        media.export(self.ministry, self.medium, Party(ENDPOINT))
        return media.import_all(self.endpoint, self.medium)

    def come_back(self) -> media.Import:
        media.export(self.endpoint, self.medium, MINISTRY)
        return media.import_all(self.ministry, self.medium)

    def states(self) -> list[PatchState]:
        files = sorted((Places(self.ministry.settings.home).updates / "in").glob("*.json"))
        envelopes = [json.loads(path.read_text())["envelope"].encode() for path in files]
        return [PatchState.read(peek(envelope).payload) for envelope in envelopes]


def make_office(offline: Any, folder: Path, **settings: Any) -> Office:
    """Make one in a folder; `settings` are further ones of the endpoint's."""
    ministry = offline.agent("ministry", media={"scan": "off"})
    endpoint = offline.agent(ENDPOINT, link="media", media={"scan": "off"}, **settings)
    medium = folder / "medium"
    medium.mkdir()
    media.register(endpoint, medium, Party(ENDPOINT), "USB-01")
    key = make_key()
    request = make_request(key, Party("authority"), "linkage")
    entry = offline.pki.entry(request, "authority", "linkage", point_of(make_key().public_key()))
    office = Office(ministry, endpoint, medium, Signer(key), entry)
    office.sign_catalogue()
    office.packages()
    return office
