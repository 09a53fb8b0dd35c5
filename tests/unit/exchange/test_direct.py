"""Orders for machines that Ansible reaches, and what was seen there."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from renkei.exchange.certificates import make_key
from renkei.exchange.direct import DirectOrder, Observation, read_order
from renkei.exchange.documents import DocumentError, Signer, peek
from renkei.exchange.updates import Order, Permit
from unit.exchange.conftest import NOW

ID = UUID("7b6a2f57-90a8-4e7f-9df5-6b2f0f1a9a11")
UPDATE = {
    "kb": "KB5058411",
    "build": "26100.4061",
    "file": "kb.msu",
    "sha256": "ab" * 32,
    "size": 1,
    "urgency": "routine",
    "requires": [],
}


def package(name: str, version: str) -> dict[str, Any]:
    about = {"architecture": "amd64", "sha256": "cd" * 32, "size": 1, "urgency": "routine"}
    return {"name": name, "version": version, **about}


def order(**changes: Any) -> DirectOrder:
    window = {"opens": NOW, "closes": NOW + timedelta(days=1)}
    words = {
        "endpoint": "hub",
        "terminal": "asp-hub",
        "id": ID,
        "wave": ID,
        "action": "install",
        "permit": True,
        "windows": [window],
        "minutes": 60,
        "issued_at": NOW,
        "expires": window["closes"],
        "updates": [],
        "packages": [package("nginx", "1.22.1-9+deb12u4"), package("openssl", "3.0.17-1~deb12u2")],
    }
    return DirectOrder.read({**words, **changes})


def seen(*packages: str, **changes: Any) -> Observation:
    words = {
        "endpoint": "hub",
        "terminal": "asp-hub",
        "answers": ID,
        "stage": "done",
        "build": None,
        "installed": [],
        "packages": list(packages),
        "exchanged_at": NOW,
        "problem": None,
        "checked_at": NOW,
        "observed_by": "controller-1",
    }
    return Observation.read({**words, **changes})


@pytest.mark.parametrize(
    ("packages", "installed", "uninstalled"),
    [
        (("nginx=1.22.1-9+deb12u4",), True, False),
        (("nginx=1.22.1-9+deb12u4", "openssl=3.0.17-1~deb12u2"), True, False),
        (("nginx=1.22.1-9+deb12u4", "openssl=3.0.16-1~deb12u1"), False, False),
        (("nginx=1.22.1-9+deb12u5",), False, True),
        (("nginx=1.22.1-9",), False, True),
        ((), False, False),
    ],
)
def test_packages_are_at_the_orders_versions_or_they_are_not(
    packages: tuple[str, ...], *, installed: bool, uninstalled: bool
) -> None:
    assert seen(*packages).fulfils(order()) is installed
    assert seen(*packages).fulfils(order(action="uninstall")) is uninstalled


def test_a_windows_machine_is_as_ordered_when_the_build_says_so() -> None:
    wanted = order(endpoint="131041", terminal="T1", updates=[UPDATE], packages=[])
    assert seen(build="26100.4061", installed=["KB5058411"]).fulfils(wanted)
    assert not seen(build="26100.4060", installed=["KB5058411"]).fulfils(wanted)
    assert not seen(build=None, installed=["KB5058411"]).fulfils(wanted)
    assert not seen(build="26100.4061", installed=[]).fulfils(wanted)


@pytest.mark.parametrize(
    "changes",
    [
        {"packages": []},
        {"updates": [UPDATE]},
        {"packages": [package("openssl", "3"), package("nginx", "1")]},
        {"packages": [package("nginx", "1"), package("nginx", "2")]},
    ],
)
def test_an_order_has_updates_or_packages_each_once(changes: dict[str, Any]) -> None:
    with pytest.raises(DocumentError):
        order(**changes)


@pytest.mark.parametrize("stage", ["blocked", "lost"])
def test_what_stands_in_the_way_is_named(stage: str) -> None:
    with pytest.raises(DocumentError, match="must be named"):
        seen(stage=stage)
    assert seen(stage=stage, problem="no route to host").stage == stage


def test_orders_of_both_kinds_are_read_and_a_permit_is_for_either() -> None:
    signer = Signer(make_key())
    direct = order()
    assert read_order(peek(direct.sign(signer))) == direct
    words = {name: value for name, value in direct.to_json().items() if name != "packages"}
    terminals = Order.read({**words, "endpoint": "131041", "updates": [UPDATE]})
    assert read_order(peek(terminals.sign(signer))) == terminals
    with pytest.raises(DocumentError, match="hub has no terminal"):
        Order.read({**words, "updates": [UPDATE]})
    ends = NOW + timedelta(minutes=15)
    given = {"endpoint": "hub", "terminal": "asp-hub", "order": ID, "order_sha256": "ab" * 32}
    assert Permit.read({**given, "given_at": NOW, "expires": ends}).expires == ends
