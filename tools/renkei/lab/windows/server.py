"""Simulated Windows hosts at their wire: HTTPS on one loopback address a host, as WinRM listens on port 5986.

    async with Server(hosts, listener, port=5986) as server:
        ...                                     # real Ansible, over winrm or psrp

Clients authenticate by a certificate in TLS, or by Negotiate/NTLM (pyspnego). Thousands of hosts fit in one process.
"""

import asyncio
import base64
import binascii
import contextlib
import os
import ssl
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import spnego
from cryptography import x509
from cryptography.hazmat import asn1
from spnego.exceptions import SpnegoError

from renkei.exchange.certificates import USER_PRINCIPAL_NAME
from renkei.lab.windows import network, wsman
from renkei.lab.windows.engine import Behaviour
from renkei.lab.windows.host import Host
from renkei.lab.windows.shells import Shells

_MAX_HEAD: Final = 64 * 1024
_IDLE_SECONDS: Final = 180
_WATCH_SECONDS: Final = 0.2
_MUTUAL: Final = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual"
_SOAP: Final = "application/soap+xml;charset=UTF-8"


@dataclass(frozen=True, slots=True)
class Listener:
    """How hosts listen and whom they let in.

    Attributes:
        certificate, key: PEM files of the listener's own certificate.
        client_authority: PEM file of the CA whose client certificates are accepted, None for no certificates.
        passwords: local account → password, for Negotiate.
    """

    certificate: Path
    key: Path
    client_authority: Path | None = None
    passwords: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(slots=True)
class _Connection:
    host: Host
    shells: Shells
    user: str = ""
    context: spnego.ContextProxy | None = None


class Server:
    """Hosts by address, served until the block ends."""

    def __init__(
        self,
        hosts: Mapping[str, Host],
        listener: Listener,
        *,
        port: int = 5986,
        behaviour: Behaviour | None = None,
        controller: str = "any",
    ) -> None:
        """Prepare to serve.

        Args:
            hosts: by the loopback address that each listens on.
            listener: how.
            port: of all hosts.
            behaviour: of all hosts.
            controller: the address that clients count as coming from, for the hosts' firewalls.
        """
        self.hosts = hosts
        self._controller = controller
        self._listening: dict[str, asyncio.Server] = {}
        self._bound: dict[str, str] = {}
        self._listener = listener
        self._port = port
        self._behaviour = behaviour or Behaviour()
        self._shells = {address: Shells(host, self._behaviour) for address, host in hosts.items()}
        self._cleanup = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Listen on every address."""
        users = tempfile.NamedTemporaryFile("w", prefix="renkei-ntlm-", encoding="utf-8")  # noqa: SIM115 - see below
        self._cleanup.callback(users.close)
        users.writelines(f":{name}:{password}\n" for name, password in self._listener.passwords.items())
        users.flush()
        os.environ["NTLM_USER_FILE"] = users.name  # where pyspnego's acceptor looks for accounts
        self._context = self._speaking_tls()
        self._context.load_cert_chain(self._listener.certificate, self._listener.key)
        await self._follow()
        watch = asyncio.create_task(self._watch())
        self._cleanup.push_async_callback(self._close)
        self._cleanup.callback(watch.cancel)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening."""
        await self._cleanup.aclose()

    async def _watch(self) -> None:
        """Listen where a host lets connections in, and stop where it doesn't any more."""
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            await self._follow()

    async def _follow(self) -> None:
        for address, host in self.hosts.items():
            host.tick()
            open_, listening = network.reachable(host, self._controller, self._port), self._listening.get(address)
            bound = str(host.facts["listener_bound"])
            if open_ and listening is not None and self._bound.get(address, bound) != bound:
                listening.close()  # who is in stays in, as in Windows; others meet the new certificate
                listening = None
            if open_ and listening is None:
                self._bound[address] = bound
                self._listening[address] = await asyncio.start_server(
                    self._serve, address, self._port, ssl=self._context_of(host), limit=_MAX_HEAD, backlog=64
                )
            elif not open_ and listening is not None:
                self._listening.pop(address).close()
                self._shells[address].close()

    def _speaking_tls(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.maximum_version = ssl.TLSVersion.TLSv1_2  # certificate authentication needs it (ansible#79434)
        if self._listener.client_authority is not None:
            context.verify_mode = ssl.CERT_OPTIONAL
            context.load_verify_locations(self._listener.client_authority)
        return context

    def _context_of(self, host: Host) -> ssl.SSLContext:
        """TLS with the certificate that the host's window was opened with; the bench's own, where it has had none."""
        if not host.facts["listener_bound"]:
            return self._context
        context = self._speaking_tls()
        with tempfile.NamedTemporaryFile("w", prefix="renkei-listener-", encoding="ascii") as file:
            file.write(host.secrets["listener.pem"])  # certificates, then the key; OpenSSL reads them from files only
            file.flush()
            context.load_cert_chain(file.name)
        return context

    async def _close(self) -> None:
        for server in self._listening.values():
            server.close()
        for server in self._listening.values():
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = writer.get_extra_info("sockname")[0]
        connection = _Connection(self.hosts[address], self._shells[address])
        try:
            while await self._exchange(connection, reader, writer):
                pass
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, OSError, ssl.SSLError):
            pass  # the client left, or talks no HTTP
        finally:
            writer.close()

    async def _exchange(
        self, connection: _Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer one request; false when the connection ends."""
        async with asyncio.timeout(_IDLE_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
        headers = _headers(head)
        length = int(headers.get("content-length") or 0)
        host = connection.host
        host.tick()
        if time.monotonic() < host.down_until or not network.reachable(host, self._controller, self._port):
            connection.shells.close()
            return False
        if length > wsman.MAX_ENVELOPE:
            _write(writer, 413, b"", {"Connection": "close"})
            await writer.drain()
            return False
        body = await reader.readexactly(length)
        refusal = self._authenticate(connection, headers.get("authorization", ""), writer)
        if refusal is not None:
            _write(writer, 401, b"", refusal)
        elif not body:
            _write(writer, 200, b"", {})
        else:
            status, content = await self._answer(connection, body)
            _write(writer, status, content, {})
        await writer.drain()
        return True

    async def _answer(self, connection: _Connection, body: bytes) -> tuple[int, bytes]:
        message_id = ""
        try:
            request = wsman.read(body)
            message_id = request.message_id
            return 200, await connection.shells.answer(request)
        except wsman.BadRequest as error:
            return 500, wsman.fault(message_id, wsman.Fault(wsman.MALFORMED, str(error)), connection.host.name)
        except wsman.Fault as error:
            return 500, wsman.fault(message_id, error, connection.host.name)

    def _authenticate(
        self, connection: _Connection, header: str, writer: asyncio.StreamWriter
    ) -> dict[str, str] | None:
        """Let the client in (None), or say what to answer with 401."""
        scheme, _, token = header.partition(" ")
        if header == _MUTUAL:
            der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            user = connection.host.facts["mapped"].get(_principal(der), "") if der else ""
            connection.user = user if network.may_enter(connection.host, user, by_certificate=True) else ""
        elif scheme in {"Negotiate", "NTLM"} and self._listener.passwords:
            return self._negotiate(connection, scheme, token)
        if connection.user:
            return None
        return {"WWW-Authenticate": "Negotiate"} if self._listener.passwords else {}

    def _negotiate(self, connection: _Connection, scheme: str, token: str) -> dict[str, str] | None:
        if connection.context is None or connection.context.complete:
            connection.context, connection.user = spnego.server(protocol="negotiate"), ""
        try:
            answer = connection.context.step(_token(token))
        except SpnegoError:
            connection.context = None
            return {"WWW-Authenticate": "Negotiate"}
        if not connection.context.complete:
            return {"WWW-Authenticate": f"{scheme} {_base64(answer)}"}
        user = (connection.context.client_principal or "").rpartition("\\")[2]
        if not network.may_enter(connection.host, user, by_certificate=False):
            return {"WWW-Authenticate": "Negotiate"}
        connection.user = user
        return None


def _principal(der: bytes) -> str:
    """Return the UPN of a client's certificate, by which hosts map it to an account; TLS has checked the rest of it."""
    try:
        names = x509.load_der_x509_certificate(der).extensions.get_extension_for_class(x509.SubjectAlternativeName)
        others = names.value.get_values_for_type(x509.OtherName)
        return next((asn1.decode_der(str, each.value) for each in others if each.type_id == USER_PRINCIPAL_NAME), "")
    except (x509.ExtensionNotFound, ValueError):
        return ""


def _token(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""


def _base64(token: bytes | None) -> str:
    return base64.b64encode(token or b"").decode()


def _headers(head: bytes) -> dict[str, str]:
    lines = head.decode("latin-1").split("\r\n")[1:]
    pairs = (line.partition(":") for line in lines if line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


_REASONS: Final = {200: "OK", 401: "Unauthorized", 413: "Payload Too Large", 500: "Internal Server Error"}


def _write(writer: asyncio.StreamWriter, status: int, content: bytes, headers: Mapping[str, str]) -> None:
    lines = [f"HTTP/1.1 {status} {_REASONS[status]}", f"Content-Type: {_SOAP}", f"Content-Length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode() + content)
