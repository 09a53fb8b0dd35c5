"""`renkei ca`: the offline root. It runs on the controller; in production on a machine without a network."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from cryptography import x509
from rich.console import Console

from renkei.exchange.certificates import MAX_PEM, CertificateError, fingerprint, is_due
from renkei.exchange.clock import format_time
from renkei.ministry.files import FileRefusedError, read_bounded
from renkei.ministry.root import OfflineRoot, RootError, write_certificate

app = typer.Typer(no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The root's folder; in production on offline media.")]
PassphraseFile = Annotated[
    Path | None,
    typer.Option("--passphrase-file", metavar="FILE", help="A file whose first line is the key's passphrase."),
]
Json = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]


@app.command()
def init(
    folder: Folder,
    name: Annotated[str, typer.Option(help="The root's name.")] = "renkei root",
    passphrase_file: PassphraseFile = None,
    *,
    as_json: Json = False,
) -> None:
    """Make the root (20 years); a root that is there stays as it is.

    A production root has a passphrase. Its folder is kept on two encrypted
    media in two safes and never opened on a machine with a network.
    """
    with _errors_in_words():
        root = OfflineRoot(folder)
        made = root.init(name, datetime.now(UTC), _passphrase(passphrase_file))
        _answer({"changed": made, "path": str(folder / "root.pem"), **_described(root.certificate())}, as_json=as_json)


@app.command("sign-issuing")
def sign_issuing(
    request: Annotated[Path, typer.Argument(metavar="CSR_FILE", help="The issuing CA's request, in PEM.")],
    folder: Annotated[Path, typer.Option("--dir", metavar="DIR", help="The root's folder.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where the certificate is written.")],
    passphrase_file: PassphraseFile = None,
    *,
    as_json: Json = False,
) -> None:
    """Sign an issuing CA's request (5 years).

    The same key gets the same certificate until two thirds of its time are over.
    """
    with _errors_in_words():
        root = OfflineRoot(folder)
        pem = read_bounded(request, MAX_PEM).decode("ascii")
        signed = root.sign_issuing(pem, datetime.now(UTC), _passphrase(passphrase_file))
        changed = write_certificate(out, signed.certificate) or signed.new
        _answer({"changed": changed, "path": str(out), **_described(signed.certificate)}, as_json=as_json)


@app.command()
def succeed(
    old: Annotated[Path, typer.Argument(metavar="OLD_DIR", help="The folder of the root that retires.")],
    new: Annotated[Path, typer.Argument(metavar="NEW_DIR", help="The folder of its successor, made by `init`.")],
    days: Annotated[int, typer.Option(help="For how many days both are trusted.", min=30, max=1825)] = 730,
    passphrase_file: PassphraseFile = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, write nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Have the old root sign the new one; write anchors.pem into both folders.

    That file takes the place of root.pem on every host. Terminals fetch it
    from the hub and believe it because the old root signed the new one.
    Exit code 1 when it can't be done; nothing was written then.
    """
    with _errors_in_words():
        successor = OfflineRoot(new)
        secret = _passphrase(passphrase_file)
        cross, changed = successor.succeed(OfflineRoot(old), datetime.now(UTC), days, secret, dry_run=dry_run)
        path = successor.folder / "anchors.pem"
        facts = {"changed": changed and not dry_run, "dry_run": dry_run, "path": str(path), **_described(cross)}
        if dry_run and not as_json:
            typer.echo(f"would write {path}: both roots are trusted until {facts['not_after']}")
        else:
            _answer(facts, as_json=as_json)


@app.command()
def show(folder: Folder, *, as_json: Json = False) -> None:
    """Show the root and what it signed."""
    with _errors_in_words():
        root = OfflineRoot(folder)
        issued = [_described(certificate) for certificate in root.issued()]
        described = _described(root.certificate())
    if as_json:
        typer.echo(json.dumps({**described, "issued": issued}, ensure_ascii=False))
        return
    for title, facts in [("root", described), *(("issued", facts) for facts in issued)]:
        typer.echo(f"{title}:")
        for key, value in facts.items():
            typer.echo(f"  {key}: {value}")


@contextmanager
def _errors_in_words() -> Iterator[None]:
    try:
        yield
    except (RootError, CertificateError, FileRefusedError, OSError, UnicodeDecodeError) as error:
        Console(stderr=True).print(f"renkei ca: {error}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from error


def _passphrase(path: Path | None) -> bytes | None:
    if path is None:
        return None
    line = read_bounded(path, 4096).splitlines()[:1]
    if not line or not line[0]:
        raise RootError(f"{path}: its first line is empty; write the passphrase there")
    return line[0]


def _described(certificate: x509.Certificate) -> dict[str, str | bool]:
    now = datetime.now(UTC)
    return {
        "subject": certificate.subject.rfc4514_string(),
        "sha256": fingerprint(certificate),
        "not_before": format_time(certificate.not_valid_before_utc),
        "not_after": format_time(certificate.not_valid_after_utc),
        "due": is_due(certificate, now),
    }


def _answer(facts: dict[str, str | bool], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(facts, ensure_ascii=False))
        return
    typer.echo(f"{'made' if facts['changed'] else 'unchanged'}: {facts['path']} (until {facts['not_after']})")
