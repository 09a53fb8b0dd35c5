"""Passwords of terminals: sealed, rotated, read with a reason."""

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from renkei.cli.terminal_password import app
from renkei.exchange.certificates import make_key
from renkei.fleet.terminal.vault import LENGTH, Vault, VaultError, make_password

NOW = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
KEY = make_key()
PLACE = ("R2026-0001", "renkei-admin")


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    made = Vault(tmp_path / "vault")
    made.add_recipient(KEY.public_key())
    return made


def give(vault: Vault, password: str, now: datetime) -> None:
    vault.offer(*PLACE, password, now)
    vault.confirm(*PLACE, now)


def test_passwords_are_of_all_kinds_and_never_twice() -> None:
    made = [make_password() for _ in range(200)]
    assert len(set(made)) == 200
    for each in made:
        assert len(each) == LENGTH
        assert any(letter.islower() for letter in each)
        assert any(letter.isupper() for letter in each)
        assert any(letter.isdigit() for letter in each)
        assert not each.isalnum()


def test_a_password_is_due_when_there_is_none_when_it_is_old_and_when_it_was_read(vault: Vault) -> None:
    assert vault.due(*PLACE, NOW, 30)
    vault.offer(*PLACE, "offered only", NOW)
    assert vault.due(*PLACE, NOW, 30)  # the machine isn't known to have it
    vault.confirm(*PLACE, NOW)
    assert not vault.due(*PLACE, NOW + timedelta(days=30), 30)
    assert vault.due(*PLACE, NOW + timedelta(days=31), 30)
    vault.read(*PLACE, KEY, "sato", "disk full", NOW + timedelta(hours=1))
    assert vault.due(*PLACE, NOW + timedelta(hours=2), 30)
    give(vault, "the next", NOW + timedelta(hours=3))
    assert not vault.due(*PLACE, NOW + timedelta(hours=4), 30)


def test_a_run_that_broke_off_loses_neither_password(vault: Vault) -> None:
    give(vault, "old", NOW)
    vault.offer(*PLACE, "new", NOW + timedelta(days=31))
    found = vault.read(*PLACE, KEY, "sato", "test", NOW + timedelta(days=32))
    assert [(each.password, each.confirmed) for each in found] == [("new", False), ("old", True)]


def test_only_the_last_three_are_kept(vault: Vault) -> None:
    for number in range(5):
        give(vault, f"password {number}", NOW + timedelta(days=number))
    found = vault.read(*PLACE, KEY, "sato", "test", NOW + timedelta(days=9))
    assert [each.password for each in found] == ["password 4", "password 3", "password 2"]


def test_nothing_on_the_controller_says_a_password(vault: Vault, tmp_path: Path) -> None:
    give(vault, "correct horse battery", NOW)
    for file in tmp_path.rglob("*.json"):
        assert "correct" not in file.read_text()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(VaultError, match="aren't sealed to this key"):
        vault.read(*PLACE, make_key(), "sato", "test", NOW)


def test_a_password_of_another_machine_is_found_out(vault: Vault, tmp_path: Path) -> None:
    give(vault, "secret", NOW)
    here = tmp_path / "vault" / "R2026-0001" / "renkei-admin.json"
    there = tmp_path / "vault" / "R2026-0002" / "renkei-admin.json"
    there.parent.mkdir()
    there.write_text(here.read_text())
    with pytest.raises(VaultError, match="was altered"):
        vault.read("R2026-0002", "renkei-admin", KEY, "sato", "test", NOW)


def test_who_reads_is_written_down_even_when_it_fails(vault: Vault, tmp_path: Path) -> None:
    give(vault, "secret", NOW)
    with pytest.raises(VaultError):
        vault.read(*PLACE, make_key(), "tanaka", "curious", NOW)
    vault.read(*PLACE, KEY, "sato", "disk full", NOW)
    lines = [json.loads(line) for line in (tmp_path / "vault" / "audit.log").read_text().splitlines()]
    assert [(line["who"], line["reason"]) for line in lines] == [("tanaka", "curious"), ("sato", "disk full")]
    assert "secret" not in (tmp_path / "vault" / "audit.log").read_text()


@pytest.mark.parametrize("name", ["../etc", "", "a/b", ".hidden", "x" * 41])
def test_names_stay_inside_the_vault(vault: Vault, name: str) -> None:
    with pytest.raises(VaultError, match="is no name"):
        vault.offer(name, "renkei-admin", "secret", NOW)


def test_a_vault_without_readers_seals_nothing(tmp_path: Path) -> None:
    with pytest.raises(VaultError, match="renkei terminal password init"):
        Vault(tmp_path).offer(*PLACE, "secret", NOW)
    (tmp_path / "recipients.pem").write_text("-----BEGIN PUBLIC KEY-----\nnone\n-----END PUBLIC KEY-----\n")
    with pytest.raises(VaultError, match="holds no public keys"):
        Vault(tmp_path).offer(*PLACE, "secret", NOW)


def test_the_command_makes_a_vault_and_shows_a_password(tmp_path: Path) -> None:
    passphrase, folder, key = tmp_path / "passphrase", tmp_path / "vault", tmp_path / "reader.pem"
    passphrase.write_text("of this test\n")
    runner, common = CliRunner(), ["--key", str(key), "--vault", str(folder), "--passphrase-file", str(passphrase)]
    assert runner.invoke(app, ["init", *common]).exit_code == 0
    assert "ENCRYPTED" in key.read_text()
    assert runner.invoke(app, ["init", *common]).exit_code == 2  # a key isn't overwritten
    give(Vault(folder), "secret", NOW)
    shown = runner.invoke(app, ["show", PLACE[0], "--reason", "disk full", "--json", *common])
    assert [each["password"] for each in json.loads(shown.stdout)["passwords"]] == ["secret"]
    assert runner.invoke(app, ["show", "R2026-0009", "--reason", "disk full", *common]).exit_code == 1
    assert runner.invoke(app, ["show", PLACE[0], "--reason", "x", *common]).exit_code == 2
    passphrase.write_text("another\n")
    assert runner.invoke(app, ["show", PLACE[0], "--reason", "disk full", *common]).exit_code == 2
