"""Settings: every mistake is named, with its place."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

import renkei.hub.settings as module
from renkei.cli.hub import app
from renkei.hub.settings import Limits, Settings, SettingsError, StoreSettings, read_settings


def test_an_empty_file_gives_the_documented_defaults(tmp_path: Path) -> None:
    path = tmp_path / "hub.toml"
    path.write_text("", "utf-8")
    found = read_settings(path)
    assert found == Settings()
    assert (str(found.database), str(found.keys)) == ("/var/lib/renkei-hub/hub.db", "/var/lib/renkei-hub/keys")


def test_the_example_in_the_documentation_is_all_the_defaults(tmp_path: Path) -> None:
    example = (module.__doc__ or "").split("\n\n", 1)[1]
    path = tmp_path / "hub.toml"
    path.write_text(example, "utf-8")
    found = read_settings(path)
    store = StoreSettings(
        url="postgresql://renkei-hub@db1,db2/renkei?sslmode=verify-full",
        owner_url="postgresql://renkei-owner@/renkei?host=/run/renkei-postgresql",
    )
    assert store.user == "renkei-hub"
    assert found == Settings(socket_group="www-data", gateway_group="renkei-gateway", store=store)
    assert found.limits == Limits()
    keys = {*Settings.model_fields, *Limits.model_fields, *StoreSettings.model_fields} - {"limits", "store"}
    assert all(f"{name} =" in example for name in keys)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stat = 'x'", "hub.toml: stat: is no setting"),
        ("[limits]\nbursts = 1", "hub.toml: limits.bursts: is no setting"),
        ("[limits]\nburst = 0", "hub.toml: limits.burst: Input should be greater than or equal to 1"),
        ("[limits]\nburst = '5'", "hub.toml: limits.burst: Input should be a valid integer"),
        ("[limits]\nburst = true", "hub.toml: limits.burst: Input should be a valid integer"),
        ("state = ", "hub.toml: is not TOML"),
        ("state = 1\nrun = 2", "hub.toml: run: "),
        ("[store]\nurl = 'postgresql://hub:secret@db/renkei'", "store.url: Value error, has a password, which doesn't"),
        (
            "[store]\nurl = 'postgresql:///renkei'\nowner_url = 'postgresql://owner:secret@/renkei'",
            "store.owner_url: Value error, has a password, which doesn't",
        ),
        ("[store]\nurl = 'postgresql://[/x'", "store.url: Value error, is no URL of PostgreSQL"),
    ],
)
def test_a_mistake_is_named_with_its_key(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "hub.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(SettingsError) as error:
        read_settings(path)
    assert said in str(error.value)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(SettingsError, match=r"/nowhere/hub\.toml: No such file.*; give another with --config"):
        read_settings(Path("/nowhere/hub.toml"))


def test_every_command_says_in_one_line_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "hub.toml"
    path.write_text(f'state = "{tmp_path}/state"\nroot = "{tmp_path}/root.pem"\n', "utf-8")
    for command, said in (
        ("serve", "root.pem: [Errno 2]"),
        ("init", "state: is not there; make it, owned by the hub's user"),
        ("status", "root.pem: [Errno 2]"),
        ("check-store", "root.pem: [Errno 2]"),
    ):
        result = CliRunner().invoke(app, [command, "--config", str(path)])
        assert result.exit_code == 1
        assert said in result.stderr.replace("\n", " ")
        result = CliRunner().invoke(app, [command, "--config", "/nowhere"])
        assert (result.exit_code, "/nowhere" in result.stderr) == (1, True)
