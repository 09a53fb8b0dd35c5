"""`renkei terminal password`: the vault of terminals' passwords, and how a person reads one."""

import getpass
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric import ec

from renkei.cli.inventory import fail, print_json

app = typer.Typer(no_args_is_help=True, help="The administrator's password of each terminal, sealed on the controller.")

VaultOption = Annotated[Path, typer.Option("--vault", envvar="RENKEI_VAULT", help="Folder of the vault.")]
KeyOption = Annotated[Path, typer.Option("--key", help="The reader's private key (PEM, with a passphrase).")]
PassphraseOption = Annotated[
    Path | None,
    typer.Option("--passphrase-file", metavar="FILE", help="First line: the passphrase. Without it, it is asked for."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DEFAULT_VAULT = Path.home() / ".renkei" / "passwords"
ADMINISTRATOR, RECOVERY = "renkei-admin", "bitlocker"
_NONE = 1


@app.command()
def init(*, key: KeyOption, vault: VaultOption = DEFAULT_VAULT, passphrase_file: PassphraseOption = None) -> None:
    """Make a reader's key and let it read what is sealed from now on; makes the vault, too, or adds a reader to it.

    The private key doesn't belong on the controller: keep it with whoever may read passwords. Exit codes: 0, 2 usage.
    """
    from renkei.exchange.certificates import key_to_pem, make_key
    from renkei.fleet.terminal.vault import Vault

    if key.exists():
        fail(f"{key} is there already; it isn't overwritten")
    passphrase = _passphrase(passphrase_file, twice=True)
    made = make_key()
    try:
        key.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="ascii") as stream:  # noqa: PTH123 - a descriptor with its mode set
            stream.write(key_to_pem(made, passphrase))
        Vault(vault).add_recipient(made.public_key())
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}")
    typer.echo(f"{vault}: passwords are sealed to the key in {key} from now on")


@app.command()
def show(
    terminal: Annotated[str, typer.Argument(help="Asset number of the machine, such as R2026-0001.")],
    *,
    reason: Annotated[str, typer.Option(help="Why it is read; goes into audit.log with your name.")],
    key: KeyOption,
    account: Annotated[str, typer.Option(help=f'The account, or "{RECOVERY}": the disk.')] = ADMINISTRATOR,
    vault: VaultOption = DEFAULT_VAULT,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print a password; a line in audit.log says who read it and why, and the next run of Ansible makes a new one.

    Where a run broke off, the machine has the newest password or the one before: both are printed, the newest first.
    Exit codes: 0, 1 there is none or it isn't sealed to this key, 2 usage.
    """
    from renkei.fleet.terminal.vault import Vault, VaultError

    if len(reason.strip()) < 5:  # noqa: PLR2004 - a word at least
        fail("--reason: say in a few words why the password is read")
    private = _private(key, _passphrase(passphrase_file, twice=False))
    try:
        found = Vault(vault).read(terminal, account, private, _who(), reason.strip(), datetime.now(UTC))
    except (VaultError, OSError) as error:
        typer.echo(f"renkei: {error}", err=True)
        raise typer.Exit(_NONE) from None
    known = next((number for number, each in enumerate(found) if each.confirmed), len(found) - 1)
    rows = [
        {"password": each.password, "since": each.offered_at.isoformat(timespec="seconds"), "confirmed": each.confirmed}
        for each in found[: known + 1]
    ]
    if as_json:
        print_json({"terminal": terminal, "account": account, "passwords": rows})
        return
    for row in rows:
        doubt = "" if row["confirmed"] else "  (offered; the machine may have the next one still)"
        typer.echo(f"{row['password']}  since {row['since']}{doubt}")


def _who() -> str:
    """Name the person: who called sudo, else who is signed in."""
    return os.environ.get("SUDO_USER") or getpass.getuser()


def _private(file: Path, passphrase: bytes) -> ec.EllipticCurvePrivateKey:
    from renkei.exchange.certificates import key_from_pem
    from renkei.exchange.errors import ExchangeError

    try:
        return key_from_pem(file.read_text(encoding="ascii"), passphrase)
    except OSError as error:
        fail(f"{file}: {error.strerror}")
    except (ExchangeError, ValueError) as error:
        fail(f"{file}: {error}")


def _passphrase(file: Path | None, *, twice: bool) -> bytes:
    if file is not None:
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            fail(f"{file}: {error.strerror}")
        text = lines[0] if lines else ""
    elif sys.stdin.isatty():
        text = typer.prompt("Passphrase", hide_input=True, confirmation_prompt=twice, err=True)
    else:
        fail("there is no terminal to ask for the passphrase at: give --passphrase-file")
    if not text:
        fail("an empty passphrase protects nothing")
    return text.encode()
