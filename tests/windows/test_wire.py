"""Real Ansible over both connections and both ways of authentication, and whom a host lets in by certificate."""

import http.client
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from renkei.exchange.certificates import (
    certificate_to_pem,
    issue_client,
    issue_controller,
    issue_server,
    key_to_pem,
    make_key,
    make_request,
    make_server_request,
)
from renkei.exchange.parties import MINISTRY
from windows.conftest import CONTROLLER, PORT, Bench

WAYS = [("winrm", "certificate"), ("winrm", "ntlm"), ("psrp", "certificate"), ("psrp", "ntlm")]
BY_CERTIFICATE = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual"


@pytest.mark.parametrize(("connection", "transport"), WAYS)
def test_ansible_reaches_a_host(bench: Bench, connection: str, transport: str) -> None:
    tasks: list[dict[str, Any]] = [
        {"name": "Ping", "ansible.windows.win_ping": {}},
        {"name": "Facts", "ansible.windows.setup": {}},
        {
            "name": "A value",
            "ansible.windows.win_regedit": {"path": r"HKLM:\Software\Renkei", "name": "a", "data": "b"},
        },
    ]
    played = bench.play(tasks, connection=connection, transport=transport).assert_well()
    assert played.results("term0000")[0]["ping"] == "pong"
    assert played.results("term0001")[1]["ansible_facts"]["ansible_hostname"] == "term0001"
    assert bench.hosts["term0001"].registry[r"hklm\software\renkei"]["a"] == ["a", "string", "b"]


def answer_to(bench: Bench, host: str, chain: Path, key: Path) -> int:
    """What a host answers to who signs in by a certificate: 200, or 401."""
    context = ssl.create_default_context(cafile=str(bench.folder / "root.pem"))
    context.load_cert_chain(chain, key)
    line = http.client.HTTPSConnection(bench.addresses[host], PORT, context=context, timeout=10)
    line.request("POST", "/wsman", headers={"Authorization": BY_CERTIFICATE, "Content-Length": "0"})
    return line.getresponse().status


def certified(bench: Bench, issue: Callable[[str, datetime], x509.Certificate], request: str = "") -> tuple[Path, Path]:
    key, made = make_key(), bench.folder / "other.pem"
    request = make_request(key, MINISTRY, "bench") if request == "party" else make_server_request(key, "other")
    own = issue(request, datetime.now(UTC) - timedelta(minutes=1))
    made.write_text(certificate_to_pem(own) + certificate_to_pem(bench.issuing.certificate))
    (bench.folder / "other.key").write_text(key_to_pem(key))
    return made, bench.folder / "other.key"


def test_a_host_knows_the_controller_by_the_name_that_its_window_was_opened_for(bench: Bench) -> None:
    own = (bench.folder / "client.pem", bench.folder / "client.key")
    assert answer_to(bench, "term0000", *own) == 200
    other = certified(bench, lambda request, at: issue_controller(request, "other@renkei", bench.issuing, at, 1))
    assert answer_to(bench, "term0000", *other) == 401
    bench.hosts["term0001"].facts["mapped"] = {"other@renkei": "ansible"}
    assert [answer_to(bench, "term0001", *each) for each in (own, other)] == [401, 200]


def test_no_party_and_no_server_gets_in_as_the_controller(bench: Bench) -> None:
    issue = partial(issue_client, party=MINISTRY, terminal="bench", issuing=bench.issuing, days=1)
    party = certified(bench, lambda request, at: issue(request, not_before=at), "party")
    assert answer_to(bench, "term0000", *party) == 401
    server = certified(bench, lambda request, at: issue_server(request, ["a.example"], [], bench.issuing, at, 1))
    with pytest.raises((ssl.SSLError, OSError, http.client.HTTPException)):
        answer_to(bench, "term0000", *server)
    assert CONTROLLER in bench.hosts["term0000"].facts["mapped"]
