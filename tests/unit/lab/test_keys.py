"""The controller's ssh."""

import subprocess
from pathlib import Path

import pytest

from renkei.lab.errors import LabError
from renkei.lab.inventory import read_plan
from renkei.lab.keys import ControllerKeys, host_key

ROOT = Path(__file__).parents[3]
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1fsyfIcJ1bHNCR4r1i0IeSTRQXb1vcFtqSlVDBPPnG"


def lay_key(root: Path, text: str) -> None:
    (root / "etc/ssh").mkdir(parents=True)
    (root / "etc/ssh/ssh_host_ed25519_key.pub").write_text(text)


def test_a_host_key_is_read_without_its_comment(tmp_path: Path) -> None:
    lay_key(tmp_path, f"{KEY} asp-hub\n")
    assert host_key("asp-hub", tmp_path) == KEY


@pytest.mark.parametrize("text", ["", "ssh-ed25519", "ssh-rsa AAAA x", "\x00"])
def test_what_is_no_ed25519_key_is_refused(tmp_path: Path, text: str) -> None:
    lay_key(tmp_path, text)
    with pytest.raises(LabError, match=r"asp-hub: .* holds no ed25519 key"):
        host_key("asp-hub", tmp_path)


def test_a_host_key_is_not_followed_out_of_the_host(tmp_path: Path) -> None:
    secret = tmp_path / "machine-key"
    secret.write_text(KEY)
    (tmp_path / "host/etc/ssh").mkdir(parents=True)
    (tmp_path / "host/etc/ssh/ssh_host_ed25519_key.pub").symlink_to(secret)
    with pytest.raises(LabError, match="asp-hub: has no ssh host key"):
        host_key("asp-hub", tmp_path / "host")


def test_the_controllers_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    keys = ControllerKeys(tmp_path, "lab")
    assert keys.public_key() == keys.public_key()
    assert (keys.folder / "id_ed25519").stat().st_mode & 0o077 == 0
    assert keys.folder.stat().st_mode & 0o077 == 0


def test_ssh_reads_the_configuration_as_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("renkei.lab.keys.RUNTIME", tmp_path / "run")
    checkout = tmp_path / "a checkout"  # a blank in the path is the case that goes wrong
    plan = read_plan(ROOT / "inventory" / "lab", ROOT)
    keys = ControllerKeys(checkout, "lab")
    keys.public_key()
    lay_key(tmp_path / "root", KEY)
    keys.write(plan, dict.fromkeys((host.name for host in plan.hosts), tmp_path / "root"))
    shown = subprocess.run(
        ["ssh", "-G", "-F", str(keys.config), "asp-hub"], capture_output=True, text=True, check=True
    ).stdout
    settings = dict(line.split(" ", 1) for line in shown.splitlines() if " " in line)
    assert settings["hostname"] == "10.32.0.18"
    assert settings["user"] == "provisioner"
    assert settings["stricthostkeychecking"] == "true"
    assert settings["userknownhostsfile"].strip('"') == str(keys.folder / "known_hosts")
    assert settings["identityfile"].strip('"') == str(keys.folder / "id_ed25519")
    assert settings["preferredauthentications"] == "publickey"
    known = (keys.folder / "known_hosts").read_text().splitlines()
    assert f"10.32.0.18,asp-hub {KEY}" in known
    assert len(known) == len(plan.hosts)


def test_ansible_checks_host_keys(tmp_path: Path) -> None:
    environment = ControllerKeys(tmp_path, "lab").ansible_environment(tmp_path)
    assert environment["ANSIBLE_HOST_KEY_CHECKING"] == "True"
    assert "StrictHostKeyChecking=no" not in environment["ANSIBLE_SSH_ARGS"]
