"""An agent at home: its settings, spool, keys and trust anchor, opened together for whatever works with them."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from renkei.agent import platform
from renkei.agent.files import stage
from renkei.agent.keys import Generation, Keyring
from renkei.agent.settings import Settings, SettingsError
from renkei.client.connection import Connection
from renkei.client.hub import HubClient
from renkei.exchange.bindings import TrustAnchor
from renkei.exchange.certificates import CertificateError
from renkei.exchange.clock import format_time
from renkei.exchange.crl import read_crl
from renkei.exchange.parties import Party
from renkei.store.spool import Spool

log = logging.getLogger("renkei.agent")

RETIRED = "retired.json"
"""The record that a machine's life is over (`renkei.agent.retirement`), in its home."""


class NotEnrolled(Exception):
    """This machine has no certificate yet."""


@dataclass(frozen=True, slots=True)
class Home:
    """What every part of the agent needs."""

    settings: Settings
    spool: Spool
    keyring: Keyring
    anchor: TrustAnchor

    @property
    def party(self) -> Party:
        """Whom this agent exchanges for."""
        return self.settings.endpoint

    def keys(self) -> Generation:
        """The keys to sign and connect with.

        Raises:
            NotEnrolled: there are none yet.
        """
        current = self.keyring.current()
        if current is None:
            raise NotEnrolled(
                "this machine is not enrolled; run renkei-agent enrol with the one-time code of its sheet"
            )
        return current

    def connect(self) -> HubClient:
        """A client of the hub; nothing is sent before its first request.

        Raises:
            NotEnrolled: there is no certificate to connect with.
        """
        connection = Connection.to_gateway(self.settings.gateway, self.settings.anchor_file, self.keys().credentials)
        return HubClient(connection)

    def alarm(self, kind: str, subject: str, text: str) -> None:
        """Tell a person: once in the journal, and in the status until it is settled."""
        if self.spool.alarm(kind, subject, text, stamp()):
            log.critical("%s: %s: %s", kind, subject, text)


def now() -> datetime:
    """The machine's time."""
    return datetime.now(UTC)


def stamp() -> str:
    """The machine's time as text, for the spool."""
    return format_time(now())


def read_anchor(settings: Settings) -> TrustAnchor:
    """The root certificate that everything is verified against, and what succeeded it.

    Raises:
        SettingsError: it isn't there or is no root.
    """
    try:
        anchor = TrustAnchor(settings.trust_anchor.read_text(encoding="utf-8"))
    except (OSError, ValueError, CertificateError) as error:
        raise SettingsError(
            f"trust_anchor: {settings.trust_anchor} can't be used ({error}); put the ministry's root certificate there"
        ) from error
    _succeed(settings, anchor)
    read_own_crl(settings, anchor)
    return anchor


def read_own_crl(settings: Settings, anchor: TrustAnchor) -> None:
    """Hold certificates against the list of revoked ones that lies in the home; one that isn't whole is removed.

    It was verified when it was taken: whether its CA's certificate has ended since doesn't matter.
    """
    try:
        pem = settings.crl.read_text(encoding="ascii")
        crl = read_crl(pem)
        if anchor.crl is None or crl.number > anchor.crl.number:
            anchor.take_crl(pem, crl.signed_at)
    except FileNotFoundError:
        return
    except (OSError, ValueError, CertificateError) as error:
        log.warning("%s can't be believed and is removed; it comes anew: %s", settings.crl, error)
        settings.crl.unlink(missing_ok=True)


def _succeed(settings: Settings, anchor: TrustAnchor) -> None:
    """Trust what succeeded the anchor; a file that doesn't (the anchor was replaced since) is removed.

    It was believed when it was taken: neither the end of the time in which both roots counted nor a wrong clock undoes
    that.
    """
    if not settings.roots.exists():
        return
    try:
        anchor.succeed(settings.roots.read_text(encoding="utf-8"), None)
    except (OSError, ValueError, CertificateError) as error:
        log.warning("%s doesn't follow from the trust anchor and is removed: %s", settings.roots, error)
        settings.roots.unlink(missing_ok=True)
    else:
        stage(settings.roots, anchor.to_pem().encode(), 0o640)


@contextmanager
def open_home(settings: Settings) -> Iterator[Home]:
    """Open the spool and the keys under `home`, made when missing; as root this becomes their owner first.

    Raises:
        SettingsError: home or trust anchor can't be used.
        StoreError: the spool can't be opened.
    """
    try:
        platform.act_as_owner(settings.home)
    except OSError as error:
        raise SettingsError(
            f"home: {settings.home} can't be used ({error.strerror}); make it and give it to the agent's user"
        ) from error
    if (settings.home / RETIRED).exists():
        raise SettingsError(
            f"home: {settings.home} is of a machine that was retired ({RETIRED}); to use it again, set it up anew"
        )
    platform.limit_new_files()
    settings.make_folders()
    anchor = read_anchor(settings)
    spool = Spool(settings.database)
    try:
        yield Home(settings, spool, Keyring(settings.keys), anchor)
    finally:
        spool.close()
