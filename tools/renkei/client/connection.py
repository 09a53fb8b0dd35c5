"""The line to the gateway: TLS 1.3, the trust anchor, timeouts, bounded answers.

A `Connection` carries requests and knows nothing of what they mean; `hub.HubClient` and
`enrolment.EnrolmentClient` give them meaning.
"""

import json
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from renkei.client.errors import BadAnswer, GatewayNotTrusted, HubBusy, HubUnreachable, refusal

ANSWER_LIMIT = 4 * 1024 * 1024
"""Bytes of a JSON answer that are read at most; a page of the inbox is the largest of them."""

_PROBLEM_LIMIT = 64 * 1024
_TOO_FAST = 429
_TRIES = 4
_LONGEST_PAUSE = 15.0
_DEADLINE = 300.0
_KEPT = 60.0
"""Seconds that an open line waits for the next request; the gateway closes it after 75."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Files of the client's side: PEM of its certificate with the issuing CA's after it, and of its key.

    `passphrase` opens the key's file where that is encrypted.
    """

    chain: Path
    key: Path
    passphrase: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to connect, and between two packets of a request or an answer."""

    connect: float = 10.0
    packet: float = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: 2xx, body within bounds."""

    status: int
    body: bytes
    media_type: str = "application/json"

    def json(self) -> object:
        """The body as JSON.

        Raises:
            BadAnswer: it is none.
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise BadAnswer("the hub's answer is not JSON; is the gateway URL that of the hub?") from error


def tls_context(trust_anchor: Path, credentials: Credentials | None) -> ssl.SSLContext:
    """A context that speaks TLS 1.3 only and trusts the renkei root and nobody else.

    Raises:
        GatewayNotTrusted: the trust anchor can't be read.
        OSError, ssl.SSLError: the credentials can't be read or don't belong together.
    """
    try:
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(trust_anchor))
    except (OSError, ssl.SSLError) as error:
        raise GatewayNotTrusted(
            f"{trust_anchor}: no trust anchor can be read ({error}); put the ministry's root certificate there"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if credentials is not None:
        # without a passphrase OpenSSL would ask at the terminal for that of an encrypted key
        context.load_cert_chain(str(credentials.chain), str(credentials.key), credentials.passphrase or b"")
    return context


class Connection:
    """Requests to one base URL; not for several threads at once."""

    def __init__(
        self,
        url: str,
        transport: httpx.BaseTransport,
        *,
        timeouts: Timeouts = Timeouts(),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Use `transport` as it is; `to_gateway` makes the one with TLS."""
        self._url = url.rstrip("/")
        self._timeouts = timeouts
        self._client = httpx.Client(
            base_url=self._url,
            transport=transport,
            timeout=httpx.Timeout(timeouts.packet, connect=timeouts.connect),
            headers={"Accept-Encoding": "identity", "User-Agent": "renkei", **(headers or {})},
            follow_redirects=False,
            trust_env=False,
        )

    @classmethod
    def to_gateway(
        cls,
        url: str,
        trust_anchor: Path,
        credentials: Credentials | None = None,
        timeouts: Timeouts = Timeouts(),
    ) -> Self:
        """A connection over TLS 1.3; without credentials only the enrolment listener will talk."""
        context = tls_context(trust_anchor, credentials)
        kept = httpx.Limits(keepalive_expiry=_KEPT)
        return cls(url, httpx.HTTPTransport(verify=context, trust_env=False, limits=kept), timeouts=timeouts)

    def __enter__(self) -> Self:
        """Nothing is opened before the first request."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the line."""
        self.close()

    def close(self) -> None:
        """Close the line."""
        self._client.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        patience: float = 0.0,
        limit: int = ANSWER_LIMIT,
    ) -> Answer:
        """Send and read the whole answer.

        Args:
            method: of HTTP.
            path: below the base URL, its parts quoted.
            query: parameters.
            content: the body; JSON unless `headers` says otherwise.
            headers: further ones.
            patience: seconds that the hub may hold the request, on top of the ordinary timeout.
            limit: bytes of the body that are read at most.

        A hub that says "too fast" is obeyed a few times before that counts as a refusal.

        Raises:
            HubUnreachable, GatewayNotTrusted: no answer, or not the gateway's.
            HubRefused: an answer other than 2xx.
            BadAnswer: a body over the limit.
        """
        request = self._client.build_request(
            method,
            path,
            params=dict(query) if query else None,
            content=content,
            headers={**({"Content-Type": "application/json"} if content is not None else {}), **(headers or {})},
            timeout=httpx.Timeout(self._timeouts.packet + patience, connect=self._timeouts.connect),
        )
        for _ in range(_TRIES - 1):
            try:
                return self._send(request, limit)
            except HubBusy as busy:
                pause = busy.problem.retry_after
                if busy.problem.status != _TOO_FAST or pause is None or pause > _LONGEST_PAUSE:
                    raise
                time.sleep(pause)
        return self._send(request, limit)

    def stream(
        self, path: str, *, headers: Mapping[str, str], limit: int
    ) -> Iterator[tuple[int, Mapping[str, str], bytes]]:
        """GET piece by piece: yields (status, headers, piece), the first piece empty.

        Raises:
            as `request`, also while pieces come: what was yielded before stays good.
        """
        request = self._client.build_request("GET", path, headers=dict(headers))
        try:
            response = self._client.send(request, stream=True)
            try:
                name = f"GET {path}"
                _check(response, name)
                yield response.status_code, response.headers, b""
                for piece in _bounded(response, limit, name):
                    yield response.status_code, response.headers, piece
            finally:
                response.close()
        except httpx.HTTPError as error:
            raise self._failure(error) from error

    def _send(self, request: httpx.Request, limit: int) -> Answer:
        try:
            response = self._client.send(request, stream=True)
            try:
                name = f"{request.method} {request.url.path}"
                _check(response, name)
                media_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
                return Answer(response.status_code, b"".join(_bounded(response, limit, name)), media_type)
            finally:
                response.close()
        except httpx.HTTPError as error:
            raise self._failure(error) from error

    def _failure(self, error: httpx.HTTPError) -> HubUnreachable | GatewayNotTrusted:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError):
                return _distrust(self._url, cause)
            cause = cause.__cause__ or cause.__context__
        what = str(error) or type(error).__name__
        return HubUnreachable(
            f"{self._url} did not answer ({what}). Check the line and the firewall; the agent tries again by itself."
        )


def _check(response: httpx.Response, name: str) -> None:
    if not response.is_success:
        body = b"".join(_bounded(response, _PROBLEM_LIMIT, name))
        raise refusal(name, response.status_code, body, response.headers.get("Retry-After", ""))


def _distrust(url: str, cause: ssl.SSLError) -> GatewayNotTrusted:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return GatewayNotTrusted(
            f"{url} is not the gateway: {cause.verify_message}. Check the gateway's name and the trust anchor; "
            "if both are right, somebody else answers in its place: tell the ministry's support."
        )
    reason = (cause.reason or str(cause)).lower().replace("_", " ")
    return GatewayNotTrusted(
        f"{url} broke off TLS ({reason}). Check that this terminal's certificate is valid and of this fleet's root."
    )


def _bounded(response: httpx.Response, limit: int, name: str) -> Iterator[bytes]:
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise BadAnswer(f"the answer to {name} is compressed though nobody asked for it")
    size, deadline = 0, time.monotonic() + _DEADLINE
    for piece in response.iter_raw():
        size += len(piece)
        if size > limit:
            raise BadAnswer(f"the answer to {name} is over {limit} bytes")
        if time.monotonic() > deadline:
            raise HubUnreachable(f"the answer to {name} took over {_DEADLINE:.0f} s; it is continued next time")
        yield piece


class OverConnection:
    """Somebody's words with the hub over a connection, which is closed with it."""

    def __init__(self, connection: Connection) -> None:
        """Nothing is sent before the first request."""
        self._line = connection

    def __enter__(self) -> Self:
        """Give itself; the connection was opened already, or opens with the first request."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self._line.close()
