"""`renkei ca` and `renkei ministry` as Ansible and people use them: what they print, and how they end."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from renkei.cli.ca import app as ca
from renkei.cli.ministry import app as ministry_app
from renkei.domain.layouts import read
from renkei.domain.notices import ResidenceNotice, StatusNotice
from renkei.exchange.bindings import DirectoryEntry
from renkei.exchange.enrolment import EnrolmentFields
from renkei.exchange.parties import Party


@pytest.fixture
def config(ministry: Any, tmp_path: Path) -> Path:
    terminals = tmp_path / "terminals.json"
    row = {"asset_number": "T-131041-01", "endpoint": "131041", "machine_serial": "SN1", "state": "in_service", "x": 1}
    terminals.write_text(json.dumps([row]))
    path = tmp_path / "ministry.toml"
    lines = ["[hub]", 'url = "https://127.0.0.1:1"', "[authority]"]
    values = {"state": ministry.state, "root": ministry.root_pem, "terminals": terminals}
    path.write_text("\n".join([*lines, *(f'{key} = "{value}"' for key, value in values.items())]))
    return path


def run(*arguments: str | Path, text: str | None = None) -> Result:
    app = ca if arguments[0] == "ca" else ministry_app
    return CliRunner().invoke(app, [str(each) for each in arguments[1:]], input=text)


def answer(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_way_from_nothing_to_an_entry_changes_things_once(tmp_path: Path, ministry: Any) -> None:
    config, root = tmp_path / "m.toml", tmp_path / "offline"
    (tmp_path / "state").mkdir()
    config.write_text(f'[authority]\nstate = "{tmp_path}/state"\nroot = "{root}/root.pem"\n')
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("correct horse\n")
    request, signed = tmp_path / "state/issuing/issuing.csr", tmp_path / "issuing.pem"
    steps: list[tuple[str | Path, ...]] = [
        ("ca", "init", root, "--passphrase-file", passphrase),
        ("ministry", "authority", "init", "--config", config),
        ("ca", "sign-issuing", request, "--dir", root, "--out", signed, "--passphrase-file", passphrase),
        ("ministry", "authority", "install-issuing", signed, "--config", config),
    ]
    for step in steps:
        assert answer(run(*step, "--json"))["changed"] is True
    for step in steps:
        assert answer(run(*step, "--json"))["changed"] is False
    first, again = (run("ministry", "authority", "own-entry", "--config", config) for _ in range(2))
    assert first.stdout == again.stdout
    entry = DirectoryEntry.from_json(first.stdout)
    assert entry.issuer == signed.read_text()
    assert answer(run("ca", "show", root, "--json"))["issued"][0]["due"] is False
    machine = ministry.machine("hub", "asp-hub")
    fields = EnrolmentFields(
        endpoint=Party("hub"),
        terminal="asp-hub",
        machine_serial="X",
        csr=machine.applicant().request,
        receiving_key=machine.point,
    )
    text = fields.model_dump_json()
    issued = [run("ministry", "authority", "issue", "--request", "-", "--config", config, text=text) for _ in range(2)]
    assert issued[0].stdout == issued[1].stdout
    assert "BEGIN CERTIFICATE" in DirectoryEntry.from_json(issued[0].stdout).certificate


def test_errors_are_said_in_words_and_end_with_1(tmp_path: Path, config: Path) -> None:
    missing = run("ministry", "authority", "list", "--config", tmp_path / "none.toml")
    assert missing.exit_code == 1
    assert "none.toml" in missing.stderr
    (tmp_path / "bad.toml").write_text("[hub]\nurl = 3\n")
    bad = run("ministry", "authority", "list", "--config", tmp_path / "bad.toml")
    assert (bad.exit_code, "hub.url" in bad.stderr) == (1, True)
    request = run("ministry", "authority", "issue", "--request", "-", "--config", config, text="{}")
    assert (request.exit_code, "endpoint" in request.stderr) == (1, True)
    assert run("ca", "show", tmp_path / "nothing").exit_code == 1


def test_a_code_is_printed_alone_on_stdout_and_kept_nowhere(config: Path, ministry: Any) -> None:
    wanted = ("--endpoint", "131041", "--terminal", "T-131041-01", "--serial", "SN1", "--config", config)
    made = run("ministry", "authority", "code", "new", *wanted)
    assert made.exit_code == 0
    code = made.stdout.strip()
    assert len(code.split("-")) == 7
    kept = b"".join(path.read_bytes() for path in ministry.state.rglob("*") if path.is_file())
    assert code.encode() not in kept
    assert code.replace("-", "").encode() not in kept
    (row,) = answer(run("ministry", "authority", "code", "list", "--json", "--config", config))
    assert (row["state"], row["terminal"]) == ("open", "T-131041-01")
    assert run("ministry", "authority", "code", "revoke", "1", "--config", config).exit_code == 0
    assert run("ministry", "authority", "code", "revoke", "2", "--config", config).exit_code == 1


def test_a_code_for_an_unknown_machine_is_refused(config: Path) -> None:
    wanted = ("--endpoint", "131041", "--terminal", "T-131041-01", "--serial", "SN2", "--config", config)
    made = run("ministry", "authority", "code", "new", *wanted)
    assert (made.exit_code, made.stdout) == (1, "")


def test_a_revocation_is_recorded_though_the_hub_is_away(config: Path, ministry: Any) -> None:
    ministry.issue(ministry.machine().applicant())
    wanted = ("--endpoint", "131041", "--terminal", "T-131041-01", "--reason", "stolen", "--config", config, "--json")
    result = run("ministry", "authority", "revoke", *wanted)
    assert answer(result) == {"changed": True, "revoked": 1, "waiting_for_hub": 1}
    assert "the hub doesn't know yet" in result.stderr
    assert answer(run("ministry", "authority", "revoke", *wanted))["changed"] is False


def test_simulated_files_are_whole_and_valid(tmp_path: Path) -> None:
    made = run(
        "ministry", "simulate", "--out", tmp_path, "--endpoints", "131041, 012271", "--notices", "9", "--seed", "4"
    )
    assert made.exit_code == 0
    with Path(made.stdout.strip()).open("rb") as stream:
        contents = read(stream, [StatusNotice])
        notices, rejections = contents.notices, contents.rejections
    assert (len(notices), rejections) == (9, [])
    made = run("ministry", "simulate-register", "--out", tmp_path, "--endpoint", "131041", "--notices", "3")
    with Path(made.stdout.strip()).open("rb") as stream:
        assert len(read(stream, [ResidenceNotice]).notices) == 3
    assert run("ministry", "simulate", "--out", tmp_path, "--endpoints", "131042", "--notices", "9").exit_code == 2


def test_a_root_names_its_successor_after_a_dry_run_that_writes_nothing(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        assert run("ca", "init", folder).exit_code == 0
    before = sorted(tmp_path.rglob("*"))
    tried = run("ca", "succeed", old, new, "--dry-run")
    assert (tried.exit_code, sorted(tmp_path.rglob("*"))) == (0, before)
    assert "would write" in tried.stdout
    made = answer(run("ca", "succeed", old, new, "--json"))
    assert (made["changed"], made["dry_run"]) == (True, False)
    assert (old / "anchors.pem").read_bytes() == (new / "anchors.pem").read_bytes()
    assert answer(run("ca", "succeed", old, new, "--json"))["changed"] is False
    assert run("ca", "succeed", old, tmp_path / "nowhere").exit_code == 1
    assert run("ca", "succeed", old, old).exit_code == 1
