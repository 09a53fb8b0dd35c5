"""The gateway's server certificate, renewed end to end: the gateway's folder, the real hub, the real authority."""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509
from typer.testing import CliRunner

from images import authority_of
from renkei.cli.hub import app as hub_program
from renkei.client.connection import Connection
from renkei.client.gateway import GatewayClient
from renkei.client.hub import HubClient
from renkei.exchange.certificates import (
    certificate_to_pem,
    fingerprint,
    issue_server,
    key_from_pem,
    key_to_pem,
    make_key,
    make_server_request,
    public_key_of,
)
from renkei.exchange.servers import ServerRequest, names_of, read_chain
from renkei.hub import app
from renkei.hub.gateway import GatewayError, renew_server
from renkei.hub.identity import verified_binding
from renkei.hub.renewal import Standing
from renkei.ministry.authority import AuthorityService
from renkei.ministry.office import Office
from renkei.ministry.servers import renew_server as answer_server
from unit.hub.conftest import START, Bench, Line, Pki
from unit.hub.through import URL, Through

DUE = timedelta(days=266)
NAMES = ["enrol.example", "gateway.example"]


@dataclass
class Gateway:
    """The gateway's folder, its line to the hub, and the authority on the other side."""

    folder: Path
    pki: Pki
    bench: Bench
    office: Office
    service: AuthorityService
    answering: bool = True

    def __post_init__(self) -> None:
        self.folder.mkdir(mode=0o700)
        self.line = Line(self.bench.loop, app.gateway(self.bench.hub))

    def begin(self, age: timedelta, names: list[str] | None = None) -> None:
        """As the role leaves it: two files."""
        key = make_key()
        request = make_server_request(key, "gateway")
        made = issue_server(request, names or NAMES, ["10.64.0.74"], self.pki.issuing, START - age, 398)
        (self.folder / "key.pem").write_text(key_to_pem(key))
        (self.folder / "certificate.pem").write_text(
            certificate_to_pem(made) + certificate_to_pem(self.pki.issuing.certificate)
        )

    def connect(self) -> GatewayClient:
        return _Watched(Connection(URL, Through(self.line, {})), self)

    def renew(self, at: datetime = START) -> Any:
        return renew_server(self.folder, self.folder.parent / "root.pem", self.connect, 0, lambda: at)

    @property
    def certificate(self) -> x509.Certificate:
        return read_chain((self.folder / "certificate.pem").read_text())[0]

    @property
    def key(self) -> Any:
        return key_from_pem((self.folder / "key.pem").read_text())

    def journal(self) -> list[str]:
        size = self.bench.run(self.bench.store.tree()).size
        return [json.loads(each)["act"] for each in self.bench.run(self.bench.store.journal_entries(0, size))]


class _Watched(GatewayClient):
    """Lets the authority look at its queue between the request and the question what became of it."""

    def __init__(self, connection: Connection, gateway: Gateway) -> None:
        super().__init__(connection)
        self._gateway = gateway

    def ask(self, request: ServerRequest) -> str:
        asking_id = super().ask(request)
        if self._gateway.answering:
            self._gateway.service.step()
        return asking_id


@pytest.fixture
def gateway(tmp_path: Path, bench: Bench, pki: Pki) -> Iterator[Gateway]:
    (tmp_path / "root.pem").write_text(pki.root_pem)

    its: Any = SimpleNamespace(issuing=pki.issuing, anchor_file=tmp_path / "root.pem")
    with authority_of(its, tmp_path, []) as authority:
        office = authority.office
        own = office.identity(START)
        binding, _ = verified_binding(bench.hub.anchor, own.entry, START)
        bench.run(bench.store.add_binding(binding, "hub", 1))
        headers = {"X-Client-Certificate": quote(own.entry.certificate, safe="")}
        service = AuthorityService(
            office, lambda _: HubClient(Connection(URL, Through(bench.client, headers))), lambda: bench.time
        )
        yield Gateway(tmp_path / "gateway", pki, bench, office, service)


def test_before_two_thirds_of_its_time_nothing_is_asked(gateway: Gateway) -> None:
    gateway.begin(DUE - timedelta(days=2))
    before = gateway.certificate
    found = gateway.renew()
    assert (found.standing, found.not_after) == (Standing.NOT_DUE, before.not_valid_after_utc)
    assert (gateway.certificate, (gateway.folder / "next").exists()) == (before, False)
    assert gateway.bench.run(gateway.bench.store.servers("pending", 10)) == []


def test_it_is_renewed_with_a_new_key_for_the_same_names(gateway: Gateway) -> None:
    gateway.begin(DUE)
    before, key = gateway.certificate, gateway.key
    found = gateway.renew()
    after = gateway.certificate
    assert (found.standing, found.not_after) == (Standing.RENEWED, after.not_valid_after_utc)
    assert names_of(after) == names_of(before)
    assert public_key_of(after) == gateway.key.public_key() != key.public_key()
    assert after.not_valid_after_utc > before.not_valid_after_utc + timedelta(days=200)
    assert "server" in gateway.journal()
    assert sorted(path.name for path in gateway.folder.iterdir()) == sorted(
        ["key.pem", "certificate.pem", "current", (gateway.folder / "current").readlink().name, "renewed"]
    )
    assert (gateway.folder / "current" / "key.pem").stat().st_mode & 0o777 == 0o600
    assert gateway.renew().standing is Standing.NOT_DUE


def test_it_is_renewed_year_after_year_and_after_the_role_made_the_pair_anew(gateway: Gateway) -> None:
    gateway.begin(DUE)
    told = set()
    for _ in range(2):
        assert gateway.renew().standing is Standing.RENEWED
        told.add((gateway.folder / "renewed").read_text())
        for name in ("key.pem", "certificate.pem"):
            (gateway.folder / name).unlink()
        gateway.begin(DUE)  # the role puts files in the place of the links
    assert len(told) == 2
    assert gateway.renew().standing is Standing.RENEWED


def test_while_the_answer_is_waited_for_the_request_stays_the_same(gateway: Gateway) -> None:
    gateway.begin(DUE)
    before, gateway.answering = gateway.certificate, False
    for _ in range(3):
        assert gateway.renew().standing is Standing.WAITING
    assert len(gateway.bench.run(gateway.bench.store.servers("pending", 10))) == 1
    assert gateway.certificate == before
    gateway.answering = True
    assert gateway.renew().standing is Standing.RENEWED


def test_one_that_ends_soon_and_gets_no_answer_is_an_error(gateway: Gateway) -> None:
    gateway.begin(timedelta(days=370))
    gateway.answering = False
    with pytest.raises(GatewayError, match=r"ends on .* and the authority hasn't answered"):
        gateway.renew()


def test_a_refusal_leaves_the_present_pair_in_place_and_is_asked_anew(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    """The authority's clock doesn't find it due."""
    gateway.begin(DUE - timedelta(days=2))
    before, key = gateway.certificate, (gateway.folder / "key.pem").read_text()
    asked = set()
    for _ in range(2):
        with pytest.raises(GatewayError, match=r"the authority refused the next one: .* isn't due before"):
            gateway.renew(START + timedelta(days=3))
        asked |= {each.id for each in gateway.bench.run(gateway.bench.store.servers("refused", 10))}
    assert (gateway.certificate, (gateway.folder / "key.pem").read_text()) == (before, key)
    assert len(asked) == 2
    assert not (gateway.folder / "next").exists()
    assert gateway.journal().count("server-refusal") == 2
    assert "refused" in caplog.text


def test_a_hub_that_is_away_leaves_the_present_pair_in_place(gateway: Gateway, tmp_path: Path) -> None:
    gateway.begin(DUE)
    before = gateway.certificate
    with pytest.raises(GatewayError, match="did not answer"):
        renew_server(gateway.folder, tmp_path / "root.pem", lambda: GatewayClient.at(tmp_path / "no.sock"), 0)
    assert gateway.certificate == before


def test_a_key_that_is_not_the_certificates_is_said(gateway: Gateway) -> None:
    gateway.begin(DUE)
    (gateway.folder / "key.pem").write_text(key_to_pem(make_key()))
    with pytest.raises(GatewayError, match="isn't of the key beside it"):
        gateway.renew()


class Killed(BaseException):
    """The process ends here."""


_STEPS = (
    (Path, "mkdir"),
    (Path, "replace"),
    (Path, "symlink_to"),
    (Path, "write_text"),
    (os, "fsync"),
    (shutil, "rmtree"),
)


def kill_at(gateway: Gateway, monkeypatch: pytest.MonkeyPatch, step: int) -> int:
    """Let the program end before a step; return how many there were. A step is what changes the folder durably."""
    done = 0

    def counted(work: Any) -> Any:
        def run(*arguments: Any, **named: Any) -> Any:
            nonlocal done
            done += 1
            if done == step:
                raise Killed
            return work(*arguments, **named)

        return run

    with monkeypatch.context() as patch:
        for owner, name in _STEPS:
            patch.setattr(owner, name, counted(getattr(owner, name)))
        with contextlib.suppress(Killed):
            gateway.renew()
    return done


def assert_mended(gateway: Gateway) -> None:
    """Key and certificate fit, and the next run ends what was begun."""
    assert public_key_of(gateway.certificate) == gateway.key.public_key()
    gateway.renew()
    assert public_key_of(gateway.certificate) == gateway.key.public_key()
    assert gateway.certificate.not_valid_after_utc > START + timedelta(days=300)
    assert len(list(gateway.folder.glob("pair-*"))) == 1
    assert (gateway.folder / "renewed").read_text() == fingerprint(gateway.certificate)
    assert not (gateway.folder / "next").exists()


def test_killed_between_the_links_key_and_certificate_fit(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway.begin(DUE)
    assert kill_at(gateway, monkeypatch, 14) == 14
    assert_mended(gateway)


@pytest.mark.thorough
def test_killed_at_any_step_key_and_certificate_fit_and_the_next_run_ends_it(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in range(1, 100):
        shutil.rmtree(gateway.folder)
        gateway.folder.mkdir(mode=0o700)
        gateway.begin(DUE)
        if kill_at(gateway, monkeypatch, step) < step:
            break
        assert_mended(gateway)
    assert step > len(_STEPS)


def test_the_hub_takes_no_request_without_proof_and_no_answer_with_other_names(gateway: Gateway) -> None:
    gateway.begin(DUE)
    gateway.answering = False
    gateway.renew()
    (asked,) = gateway.bench.run(gateway.bench.store.servers("pending", 10))
    request = ServerRequest.from_json(asked.request)
    forged = request.model_copy(update={"csr": make_server_request(make_key(), "gateway.example")})
    refused = gateway.line.request("POST", "/v1/servers", content=forged.to_json())
    assert (refused.status_code, "another request" in refused.text) == (400, True)
    assert gateway.line.request("POST", "/v1/servers", content=b"x" * 70_000).status_code == 413
    more = issue_server(request.csr, [*NAMES, "mirror.example"], ["10.64.0.74"], gateway.pki.issuing, START, 398)
    chain = certificate_to_pem(more) + certificate_to_pem(gateway.pki.issuing.certificate)
    header = gateway.bench.enrol("authority").machine.header
    told = {"state": "approved", "chain": chain}
    answer = gateway.bench.client.request("PUT", f"/v1/servers/{asked.id}", json=told, headers=header)
    assert (answer.status_code, "mirror.example" in answer.text) == (400, True)


def test_only_the_authority_sees_and_answers_what_servers_ask_for(gateway: Gateway, refused: Any) -> None:
    for party in ("ministry", "131041"):
        speaker = gateway.bench.enrol(party)
        refused(speaker.get("/v1/servers"), 403, "not-entitled")
        refused(speaker.put("/v1/servers/0123", b'{"state":"refused"}'), 403, "not-entitled")
        refused(speaker.request("POST", "/v1/servers", content=b"{}"), 405, "method")
    authority = gateway.bench.enrol("authority", "other")
    refused(authority.put("/v1/servers/0123", b'{"state":"refused","reason":"no"}'), 404, "not-found")
    assert gateway.line.request("GET", "/v1/servers/0123").status_code == 404


def test_the_authority_gives_the_same_request_the_same_certificate(gateway: Gateway) -> None:
    gateway.begin(DUE)
    own, issuer = read_chain((gateway.folder / "certificate.pem").read_text())
    asked = ServerRequest.make(make_key(), own, issuer, gateway.key)
    first = answer_server(gateway.office, asked, START)
    assert first.chain
    assert answer_server(gateway.office, asked, START + timedelta(days=1)) == first


def test_the_command_says_where_it_stands(gateway: Gateway, tmp_path: Path) -> None:
    words = ["renew-server", "--folder", str(gateway.folder), "--root", str(tmp_path / "root.pem"), "--wait", "0"]
    words += ["--socket", str(tmp_path / "no.sock")]
    missing = CliRunner().invoke(hub_program, words)
    assert (missing.exit_code, "key.pem" in missing.output) == (1, True)
    gateway.begin(timedelta(days=1))
    assert CliRunner().invoke(hub_program, words).output.startswith("not due: the certificate ends on 20")
    told = json.loads(CliRunner().invoke(hub_program, [*words, "--json"]).output)
    ends = datetime.fromisoformat(told["not_after"])
    assert (told["standing"], ends) == ("not due", gateway.certificate.not_valid_after_utc)
