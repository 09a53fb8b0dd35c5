"""Real Ansible over both connections and both ways of authentication."""

from typing import Any

import pytest

from windows.conftest import Bench

WAYS = [("winrm", "certificate"), ("winrm", "ntlm"), ("psrp", "certificate"), ("psrp", "ntlm")]


@pytest.mark.parametrize(("connection", "transport"), WAYS)
def test_ansible_reaches_a_host(bench: Bench, connection: str, transport: str) -> None:
    tasks: list[dict[str, Any]] = [
        {"name": "Ping", "ansible.windows.win_ping": {}},
        {"name": "Facts", "ansible.windows.setup": {}},
        {
            "name": "A value",
            "ansible.windows.win_regedit": {"path": r"HKLM:\Software\Renkei", "name": "a", "data": "b"},
        },
    ]
    played = bench.play(tasks, connection=connection, transport=transport).assert_well()
    assert played.results("term0000")[0]["ping"] == "pong"
    assert played.results("term0001")[1]["ansible_facts"]["ansible_hostname"] == "term0001"
    assert bench.hosts["term0001"].registry[r"hklm\software\renkei"]["a"] == ["a", "string", "b"]
