"""What differs by operating system, as far as this one shows it; `tests/windows` runs the rest on a Windows CPython."""

import ast
from pathlib import Path
from typing import Any

import pytest

from renkei.agent import enrolment, files, platform
from renkei.agent.windows import layout
from renkei.exchange.codes import new_code
from unit.agent.enrolling import SHINJUKU, answer

ROOMS = Path(files.__file__).parent
PASSPHRASE = b"5f" * 32


def public_functions(path: Path) -> dict[str, str]:
    tree = ast.parse(path.read_text())
    return {
        node.name: ast.unparse(node.args)
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }


def test_both_systems_offer_the_same() -> None:
    posix, windows = (public_functions(ROOMS / "platform" / f"{name}.py") for name in ("posix", "windows"))
    assert posix == windows
    assert set(posix) <= set(platform.__all__)


def test_the_account_of_a_service_is_known_before_it_exists() -> None:
    # as every Windows has it: icacls and Microsoft's documents show this SID for NT SERVICE\TrustedInstaller
    assert layout.service_sid("TrustedInstaller") == "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"


def test_files_are_written_as_they_are_and_new_ones_never_replace(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    files.write_new(path, b"1\n2\r\n", 0o600)
    assert path.read_bytes() == b"1\n2\r\n"
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        files.write_new(path, b"3", 0o600)
    files.stage(path, b"3")
    assert path.read_bytes() == b"3"


@pytest.mark.quick
def test_where_keys_are_protected_no_file_holds_one_in_clear(fleet: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "key_passphrase", lambda _: PASSPHRASE)
    home, code = fleet.home(SHINJUKU), new_code()
    enrolment.enrol(home, code, 0)
    answer(fleet, code)
    assert enrolment.enrol(home, None, 0).generation == 1
    fleet.exchange(home)  # TLS with the encrypted key, a signature, a receipt
    keys = [path.read_text() for path in home.settings.keys.glob("1/*.pem") if "PRIVATE KEY" in path.read_text()]
    assert len(keys) == 2
    assert all(each.startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----") for each in keys)
    assert PASSPHRASE.decode() not in repr(home.keyring.current())
