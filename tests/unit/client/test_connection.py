"""The client against servers that don't behave; the well-behaved hub is in tests/unit/agent."""

import datetime as dt
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from renkei.client import errors
from renkei.client.connection import Connection, Timeouts
from renkei.client.hub import HubClient
from renkei.exchange.certificates import (
    Authority,
    certificate_to_pem,
    issue_authority,
    issue_server,
    key_to_pem,
    make_authority_request,
    make_key,
    make_root,
    make_server_request,
)
from unit.lines import NO_CAS

Answering = Callable[..., Connection]


class Server:
    """Answers every connection with the same bytes, whatever is asked, and remembers what was asked."""

    def __init__(self, answer: bytes, context: ssl.SSLContext | None = None) -> None:
        self.asked: list[bytes] = []
        self._answer, self._context = answer, context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            try:
                with self._context.wrap_socket(line, server_side=True) if self._context else line as talk:
                    self.asked.append(talk.recv(65536))
                    talk.sendall(self._answer)
            except OSError:
                continue

    def close(self) -> None:
        self._listener.close()


def answer(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    fields = {"Content-Length": str(len(body)), **{name.replace("_", "-"): value for name, value in headers.items()}}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status}\r\n{head}Connection: close\r\n\r\n".encode() + body


@pytest.fixture
def answering() -> Iterator[Answering]:
    servers: list[Server] = []

    def start(body: bytes) -> Connection:
        servers.append(Server(body))
        return Connection(
            f"http://127.0.0.1:{servers[-1].port}", httpx.HTTPTransport(verify=NO_CAS), timeouts=Timeouts(2, 2)
        )

    yield start
    for server in servers:
        server.close()


def test_a_problem_document_becomes_its_own_exception_with_what_to_do(answering: Answering) -> None:
    body = (
        b'{"type":"urn:renkei:problem:sequence","title":"Conflict","detail":"the stream goes on with 3","expected":3}'
    )
    with (
        answering(answer(body, "409 Conflict")) as line,
        pytest.raises(errors.WrongSequence, match="Offer the stream") as e,
    ):
        line.request("GET", "/")
    assert e.value.expected == 3


@pytest.mark.parametrize(
    ("status", "kind", "error"),
    [
        ("403 Forbidden", "unknown-certificate", errors.NotAllowed),
        ("404 Not Found", "not-found", errors.NotFound),
        ("410 Gone", "gone", errors.NotFound),
        ("409 Conflict", "missing-parts", errors.MissingParts),
        ("409 Conflict", "conflict", errors.Conflict),
        ("409 Conflict", "receipted", errors.Receipted),
        ("409 Conflict", "cursor", errors.CursorGone),
        ("507 Insufficient Storage", "quota", errors.HubBusy),
        ("418 Teapot", "teapot", errors.HubRefused),
    ],
)
def test_each_refusal_has_its_type(
    answering: Answering, status: str, kind: str, error: type[errors.HubRefused]
) -> None:
    body = f'{{"type":"urn:renkei:problem:{kind}","title":"t"}}'.encode()
    with answering(answer(body, status)) as line, pytest.raises(errors.HubRefused) as caught:
        line.request("GET", "/")
    assert type(caught.value) is error


@pytest.mark.parametrize("body", [b"", b"<html>502</html>", b"[1]", b'{"type":7}', b"[" * 60_000, b"\xff"])
def test_an_error_page_that_is_no_problem_document_is_a_refusal_all_the_same(answering: Answering, body: bytes) -> None:
    with answering(answer(body, "500 Oops")) as line, pytest.raises(errors.HubRefused, match="500"):
        line.request("GET", "/")


def test_a_hub_that_says_too_fast_is_obeyed_before_that_counts_as_a_refusal() -> None:
    server = Server(answer(b"{}", "429 Too Many Requests", Retry_After="0"))
    with (
        Connection(f"http://127.0.0.1:{server.port}", httpx.HTTPTransport(verify=NO_CAS)) as line,
        pytest.raises(errors.HubBusy),
    ):
        line.request("GET", "/")
    assert len(server.asked) == 4
    server.close()


def test_control_characters_of_a_problem_do_not_reach_the_log(answering: Answering) -> None:
    body = b'{"title":"a\\u001b[31m\\nb"}'
    with answering(answer(body, "400 Bad")) as line, pytest.raises(errors.HubRefused) as caught:
        line.request("GET", "/")
    assert str(caught.value).isprintable()


def test_an_answer_over_the_limit_is_not_read(answering: Answering) -> None:
    with answering(answer(b"x" * 1001)) as line, pytest.raises(errors.BadAnswer, match="1000"):
        line.request("GET", "/", limit=1000)


def test_a_compressed_answer_is_refused(answering: Answering) -> None:
    with answering(answer(b"\x1f\x8b", Content_Encoding="gzip")) as line, pytest.raises(errors.BadAnswer):
        line.request("GET", "/")


def test_a_redirect_is_not_followed(answering: Answering) -> None:
    with answering(answer(b"", "302 Found", Location="http://127.0.0.1:1/")) as line, pytest.raises(errors.HubRefused):
        line.request("GET", "/")


def test_an_answer_that_breaks_off_is_a_cut_line(answering: Answering) -> None:
    cut = answer(b"x" * 100)[:-50]
    with answering(cut) as line, pytest.raises(errors.HubUnreachable):
        line.request("GET", "/")


@pytest.mark.parametrize(
    "body",
    [b"", b"no json", b"[]", b'{"epoch":1}', b'{"epoch":"x","entry":{},"tree_head":{},"time":""}', b"[" * 50_000],
)
def test_an_answer_that_breaks_the_protocol_is_named(answering: Answering, body: bytes) -> None:
    with HubClient(answering(answer(body))) as hub, pytest.raises(errors.BadAnswer):
        hub.state()


@pytest.mark.parametrize(
    ("status", "content_range"),
    [("200 OK", ""), ("206 Partial Content", "bytes 0-9/20"), ("206 Partial Content", "")],
)
def test_another_range_than_was_asked_for_is_refused(answering: Answering, status: str, content_range: str) -> None:
    headers = {"Content_Range": content_range} if content_range else {}
    with HubClient(answering(answer(b"x" * 10, status, **headers))) as hub, pytest.raises(errors.BadAnswer):
        list(hub.content("ministry", "id", size=20, start=10))


def test_more_content_than_the_manifest_says_is_refused(answering: Answering) -> None:
    with HubClient(answering(answer(b"x" * 21))) as hub, pytest.raises(errors.BadAnswer, match="20"):
        list(hub.content("ministry", "id", size=20))


def test_nobody_there_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    line = Connection(f"http://127.0.0.1:{port}", httpx.HTTPTransport(verify=NO_CAS), timeouts=Timeouts(1, 1))
    with line, pytest.raises(errors.HubUnreachable, match="Check the line"):
        line.request("GET", "/")


def test_a_proxy_of_the_environment_is_not_used(answering: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with answering(answer(b"{}")) as line:
        assert line.request("GET", "/").status == 200


@pytest.fixture(scope="module")
def authority() -> tuple[Authority, Authority]:
    begin = dt.datetime.now(dt.UTC) - dt.timedelta(days=2)
    root, key = make_root("root", make_key(), begin, 100), make_key()
    return root, Authority(issue_authority(make_authority_request(key, "issuing"), root, begin, 90), key)


def gateway(folder: Path, issuing: Authority, name: str, days_ago: int = 1, days: int = 30) -> ssl.SSLContext:
    key = make_key()
    begin = dt.datetime.now(dt.UTC) - dt.timedelta(days=days_ago)
    certificate = issue_server(make_server_request(key, name), [name], [], issuing, begin, days)
    (folder / "chain.pem").write_text(certificate_to_pem(certificate) + certificate_to_pem(issuing.certificate))
    (folder / "key.pem").write_text(key_to_pem(key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "chain.pem", folder / "key.pem")
    return context


@pytest.mark.parametrize("fault", ["none", "name", "expired", "tls 1.2", "root", "no tls"])
def test_only_the_gateway_of_this_root_under_its_name_with_tls_1_3_is_talked_to(
    tmp_path: Path, authority: tuple[Authority, Authority], fault: str
) -> None:
    root, issuing = authority
    name = "other.example" if fault == "name" else "localhost"
    context: ssl.SSLContext | None = gateway(tmp_path, issuing, name, *((2, 1) if fault == "expired" else ()))
    if fault == "tls 1.2":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    if fault == "no tls":
        context = None
    if fault == "root":
        root = make_root("other", make_key(), dt.datetime.now(dt.UTC) - dt.timedelta(days=1), 10)
    (tmp_path / "root.pem").write_text(certificate_to_pem(root.certificate))
    server = Server(answer(b"{}"), context)
    line = Connection.to_gateway(f"https://localhost:{server.port}", tmp_path / "root.pem", timeouts=Timeouts(2, 2))
    with line:
        if fault == "none":
            assert line.request("GET", "/").status == 200
        else:
            with pytest.raises(errors.GatewayNotTrusted):
                line.request("GET", "/")
            assert not any(b"GET" in asked for asked in server.asked)
    server.close()


def test_a_missing_trust_anchor_is_named(tmp_path: Path) -> None:
    with pytest.raises(errors.GatewayNotTrusted, match=r"root\.pem"):
        Connection.to_gateway("https://localhost:1", tmp_path / "root.pem")
