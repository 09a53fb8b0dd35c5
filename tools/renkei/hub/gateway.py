"""The gateway's next certificate, as a timer asks for it: two thirds of the time over → a new key → an answer in place.

    /etc/renkei/gateway/          only the gateway's own user writes here
      key.pem, certificate.pem    what nginx reads: files as they were first made, then links into current/
      current -> pair-FINGERPRINT the pair in use: key and certificate change at one moment, when this link does
      next/                       the next key and the request for it, while the answer is waited for
      renewed                     which certificate nginx should have; systemd reloads nginx when it changes

Stopped at any moment, the next run goes on. What was refused, or can't be believed, leaves the present pair in place.
"""

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from renkei.client.answers import ServerResult
from renkei.client.errors import HubError
from renkei.client.gateway import GatewayClient
from renkei.exchange.anchors import Anchors
from renkei.exchange.certificates import (
    fingerprint,
    is_due,
    key_from_pem,
    key_to_pem,
    make_key,
    public_key_of,
)
from renkei.exchange.errors import ExchangeError
from renkei.exchange.servers import ServerRequest, read_chain
from renkei.hub.renewal import Renewal, Standing

_KEY, _CERTIFICATE, _REQUEST = "key.pem", "certificate.pem", "request.json"
_CURRENT, _NEXT, _RENEWED, _PAIR = "current", "next", "renewed", "pair-"
_LATE = timedelta(days=30)
"""A certificate that ends this soon, although it has been due for months, needs a person."""

_PAUSE_SECONDS = 2.0


class GatewayError(Exception):
    """The certificate wasn't renewed, and the present one stays; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class _Present:
    """The pair that nginx has."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    issuer: x509.Certificate


def renew_server(
    folder: Path,
    root: Path,
    connect: Callable[[], GatewayClient],
    wait: float,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Renewal:
    """Renew the gateway's certificate if two thirds of its time are over.

    Args:
        folder: of key and certificate.
        root: the trust anchor's file.
        connect: opens the line to the hub.
        wait: seconds for the authority's answer; it is looked for again at the next run.
        clock: the time of now, aware.

    Raises:
        GatewayError: there is no pair, it was refused, the hub can't be asked, or the present one ends soon.
    """
    try:
        present = _read(folder)
        if is_due(present.certificate, clock()):
            return _renew(folder, present, Anchors.read(root.read_text(encoding="ascii")), connect, wait, clock)
        _settle(folder, present.certificate)
    except (OSError, ValueError, ExchangeError, HubError, GatewayError) as error:
        raise GatewayError(f"{folder / _CERTIFICATE}: {error}") from error
    return Renewal(Standing.NOT_DUE, present.certificate.not_valid_after_utc)


def _renew(
    folder: Path,
    present: _Present,
    anchors: Anchors,
    connect: Callable[[], GatewayClient],
    wait: float,
    clock: Callable[[], datetime],
) -> Renewal:
    ends = present.certificate.not_valid_after_utc
    asked = _asked(folder / _NEXT, present)
    with connect() as line:
        result = _answer(line, asked, wait)
    if result.state == "pending":
        if ends - clock() < _LATE:
            raise GatewayError(f"it ends on {ends:%Y-%m-%d} and the authority hasn't answered; see its log")
        return Renewal(Standing.WAITING, ends)
    key = (folder / _NEXT / _KEY).read_text(encoding="ascii")
    try:
        new = _believed(asked, result, anchors, clock())
    except (ExchangeError, GatewayError):
        shutil.rmtree(folder / _NEXT)  # the next run asks anew
        raise
    _put_in_place(folder, present, key, result.chain)
    _settle(folder, new)
    return Renewal(Standing.RENEWED, new.not_valid_after_utc)


def _read(folder: Path) -> _Present:
    key = key_from_pem((folder / _KEY).read_text(encoding="ascii"))
    certificate, issuer = read_chain((folder / _CERTIFICATE).read_text(encoding="ascii"))
    if key.public_key() != public_key_of(certificate):
        raise GatewayError("isn't of the key beside it; run ansible/site.yml --tags gateway, which makes both anew")
    return _Present(key, certificate, issuer)


def _asked(folder: Path, present: _Present) -> ServerRequest:
    """The request, the same as long as the same certificate waits to be replaced."""
    path = folder / _REQUEST
    if path.exists():
        kept = ServerRequest.from_json(path.read_bytes())
        if read_chain(kept.certificate + kept.issuer)[0] == present.certificate:
            return kept
    shutil.rmtree(folder, ignore_errors=True)
    key = make_key()
    asked = ServerRequest.make(key, present.certificate, present.issuer, present.key)
    _write(folder, {_KEY: key_to_pem(key), _REQUEST: asked.to_json().decode()})
    return asked


def _answer(line: GatewayClient, asked: ServerRequest, wait: float) -> ServerResult:
    end = time.monotonic() + wait
    asking_id = line.ask(asked)
    while (result := line.result(asking_id)).state == "pending" and time.monotonic() < end:
        time.sleep(min(_PAUSE_SECONDS, wait))
    return result


def _believed(asked: ServerRequest, result: ServerResult, anchors: Anchors, at: datetime) -> x509.Certificate:
    if result.state == "refused":
        raise GatewayError(f"the authority refused the next one: {result.reason}")
    return asked.check_answer(result.chain, anchors, at)


def _put_in_place(folder: Path, present: _Present, key: str, chain: str) -> None:
    """Let the new pair take the place of the present one, both files at one moment."""
    links = {folder / name: f"{_CURRENT}/{name}" for name in (_KEY, _CERTIFICATE)}
    if not all(path.is_symlink() for path in links):  # made by the role: the same pair, by way of the link from now on
        old = {name: (folder / name).read_text(encoding="ascii") for name in (_KEY, _CERTIFICATE)}
        _link(folder / _CURRENT, _write(_pair(folder, present.certificate), old).name)
        for path, target in links.items():
            _link(path, target)
    new = _write(_pair(folder, read_chain(chain)[0]), {_KEY: key, _CERTIFICATE: chain})
    _link(folder / _CURRENT, new.name)


def _settle(folder: Path, used: x509.Certificate) -> None:
    """Remove what isn't used any more, and say which certificate nginx should have, if that was not said."""
    shutil.rmtree(folder / _NEXT, ignore_errors=True)
    if (folder / _CURRENT).is_symlink():
        for pair in folder.glob(f"{_PAIR}*"):
            if pair.name != (folder / _CURRENT).readlink().name:
                shutil.rmtree(pair)
    told = folder / _RENEWED
    if not told.exists() or told.read_text(encoding="ascii") != fingerprint(used):
        told.write_text(fingerprint(used), encoding="ascii")


def _pair(folder: Path, certificate: x509.Certificate) -> Path:
    return folder / f"{_PAIR}{fingerprint(certificate)}"


def _write(folder: Path, files: dict[str, str]) -> Path:
    """Make a folder of secrets, on the disk before this returns."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(mode=0o700)
    for name, content in files.items():
        with open(folder / name, "x", encoding="ascii", opener=_secretly) as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
    _flush(folder)
    return folder


def _link(path: Path, target: str) -> None:
    """Let `path` be a link to `target`, whatever was there, at one moment and durably."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(path)
    _flush(path.parent)


def _flush(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _secretly(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
