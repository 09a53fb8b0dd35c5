"""Passwords of terminals on the controller: each machine's own, rotated, sealed so that the controller can't read them.

The controller holds public keys only. A new password is sealed to every one of them and kept as `offered` before the
machine gets it, and as `confirmed` once the machine has it: a run that breaks off between the two loses nothing, since
both are kept. To read one takes a private key with its passphrase, a reason, and leaves a line in `audit.log`; a
password that was read counts as due at the next run.

    FOLDER/recipients.pem               public keys, one after the other
    FOLDER/TERMINAL/ACCOUNT.json        the last passwords of an account, sealed (HPKE, `renkei.exchange.sealing`)
    FOLDER/audit.log                    who read which and why, a JSON object a line
"""

import json
import os
import re
import secrets
from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from renkei.exchange.sealing import SealingError, public_point, seal, unseal

LENGTH: Final = 20
_KEPT: Final = 3
_ALPHABETS: Final = ("abcdefghijkmnpqrstuvwxyz", "ABCDEFGHJKLMNPQRSTUVWXYZ", "23456789", "!#%+-=?@")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
_PEM: Final = re.compile(r"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----\n?", re.DOTALL)


class VaultError(Exception):
    """A vault that can't be used, or a password that isn't there; the message says which and what to do."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A password that was read: since when it is offered, and whether the machine is known to have it."""

    password: str
    offered_at: datetime
    confirmed: bool


def make_password() -> str:
    """Make a password of `LENGTH` characters (120 bits) of four kinds, none taken for another on paper."""
    letters = "".join(_ALPHABETS)
    while True:
        made = "".join(secrets.choice(letters) for _ in range(LENGTH))
        if all(any(letter in alphabet for letter in made) for alphabet in _ALPHABETS):
            return made


class Vault:
    """The passwords in one folder."""

    def __init__(self, folder: Path) -> None:
        """Open a vault that `renkei terminal password init` made."""
        self._folder = folder

    def add_recipient(self, key: ec.EllipticCurvePublicKey) -> None:
        """Let the holder of a key read what is sealed from now on."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        with (self._folder / "recipients.pem").open("ab") as stream:
            stream.write(pem)

    def recipients(self) -> list[ec.EllipticCurvePublicKey]:
        """Return the keys to which passwords are sealed.

        Raises:
            VaultError: there are none.
        """
        file = self._folder / "recipients.pem"
        try:
            found = [load_pem_public_key(pem.encode()) for pem in _PEM.findall(file.read_text(encoding="ascii"))]
        except (OSError, ValueError, UnsupportedAlgorithm):
            found = []
        keys = [key for key in found if isinstance(key, ec.EllipticCurvePublicKey)]
        if not keys or len(keys) != len(found):
            raise VaultError(f"{file} holds no public keys (P-256): make the vault by `renkei terminal password init`")
        return keys

    def due(self, terminal: str, account: str, now: datetime, days: int) -> bool:
        """Tell whether an account needs a new password: it has none, it is too old, or somebody has read it."""
        document = self._read(terminal, account)
        confirmed = [each for each in document["passwords"] if each["confirmed_at"]]
        if not confirmed:
            return True
        made = datetime.fromisoformat(confirmed[-1]["offered_at"])
        return now - made > timedelta(days=days) or any(
            datetime.fromisoformat(each) >= made for each in document["read"]
        )

    def offer(self, terminal: str, account: str, password: str, now: datetime) -> None:
        """Seal a password before the machine gets it.

        Raises:
            VaultError: there is nobody to seal it to, or it can't be written.
        """
        info = _info(terminal, account, now)
        seals = []
        for key in self.recipients():
            encapsulated, ciphertext = seal(password.encode(), key, info)
            seals.append({"key": _keyid(key), "encapsulated": _text(encapsulated), "ciphertext": _text(ciphertext)})
        document = self._read(terminal, account)
        document["passwords"] = [
            *document["passwords"][1 - _KEPT :],
            {"offered_at": now.isoformat(), "confirmed_at": None, "seals": seals},
        ]
        self._write(terminal, account, document)

    def confirm(self, terminal: str, account: str, now: datetime) -> None:
        """Note that the machine has the password that was offered last."""
        document = self._read(terminal, account)
        document["passwords"][-1]["confirmed_at"] = now.isoformat()
        self._write(terminal, account, document)

    def read(
        self, terminal: str, account: str, key: ec.EllipticCurvePrivateKey, who: str, reason: str, now: datetime
    ) -> list[Kept]:
        """Open the passwords of an account, the newest first; who reads them and why is written down beforehand.

        Raises:
            VaultError: there are none, or they aren't sealed to this key.
        """
        document = self._read(terminal, account)
        if not document["passwords"]:
            raise VaultError(f"{self._folder} has no password of {account} on {terminal}")
        line = {"at": now.isoformat(), "who": who, "terminal": terminal, "account": account, "reason": reason}
        with (self._folder / "audit.log").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line, ensure_ascii=False) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        found = [kept for each in reversed(document["passwords"]) if (kept := _open(terminal, account, each, key))]
        if not found:
            raise VaultError(f"the passwords of {account} on {terminal} aren't sealed to this key")
        document["read"] = [*document["read"], now.isoformat()][-_KEPT:]
        self._write(terminal, account, document)
        return found

    def _file(self, terminal: str, account: str) -> Path:
        for name in (terminal, account):
            if not _NAME.fullmatch(name):
                raise VaultError(f"{name[:40]!r} is no name of a terminal or an account")
        return self._folder / terminal / f"{account}.json"

    def _read(self, terminal: str, account: str) -> dict[str, Any]:
        file = self._file(terminal, account)
        try:
            found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {"terminal": terminal, "account": account, "passwords": [], "read": []}
        except (OSError, ValueError) as error:
            raise VaultError(f"{file} can't be read ({error}): restore it from the backup of the controller") from error
        return found

    def _write(self, terminal: str, account: str, document: dict[str, Any]) -> None:
        file = self._file(terminal, account)
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = file.with_suffix(f".{os.getpid()}.new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as stream:  # noqa: PTH123 - a descriptor with its mode set
            json.dump(document, stream, ensure_ascii=False, indent=1)
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(file)


def _open(terminal: str, account: str, entry: dict[str, Any], key: ec.EllipticCurvePrivateKey) -> Kept | None:
    offered = datetime.fromisoformat(entry["offered_at"])
    for each in entry["seals"]:
        if each["key"] == _keyid(key.public_key()):
            info = _info(terminal, account, offered)
            try:
                plain = unseal(b64decode(each["encapsulated"]), b64decode(each["ciphertext"]), key, info)
            except SealingError as error:
                raise VaultError(f"the password of {account} on {terminal} was altered: {error}") from error
            return Kept(plain.decode(), offered, entry["confirmed_at"] is not None)
    return None


def _info(terminal: str, account: str, now: datetime) -> bytes:
    return json.dumps(["renkei terminal password", terminal, account, now.isoformat()]).encode()


def _keyid(key: ec.EllipticCurvePublicKey) -> str:
    return sha256(public_point(key)).hexdigest()[:16]


def _text(content: bytes) -> str:
    return b64encode(content).decode()
