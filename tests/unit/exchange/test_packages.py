"""The documents about Linux hosts and network devices: what comes back, and what is refused."""

from datetime import UTC, datetime
from typing import Any

import pytest

from renkei.exchange.certificates import make_key
from renkei.exchange.documents import MAX_ENVELOPE, DocumentError, Signer
from renkei.exchange.packages import MAX_HELD, MAX_PACKAGES, Device, HostState, Package, PackageSet

AT = datetime(2026, 11, 27, 2, 0, tzinfo=UTC)
KEY = make_key()
SIGNER, PUBLIC = Signer(KEY), KEY.public_key()


def package(name: str = "libssl3", version: str = "3.0.17-1~deb12u3", architecture: str = "amd64") -> Package:
    return Package(
        name=name, version=version, architecture=architecture, sha256="ab" * 32, size=2_000_000, urgency="urgent"
    )


def package_set(*packages: Package) -> dict[str, Any]:
    said = PackageSet(number=3, issued_at=AT, hosts=13, packages=[package()]).to_json()
    return said | {"packages": [each.model_dump() for each in packages]} if packages else said


def test_a_set_and_a_state_come_back_as_they_were_signed() -> None:
    wanted = PackageSet.read(package_set(package("base-files", "12.4+deb12u15", "all"), package()))
    state = HostState(
        host="asp-hub",
        device=Device(model="debian-12", version="12.15"),
        packages=["libssl3=3.0.17-1~deb12u3", "tzdata=2026a-0+deb12u1"],
        restart=False,
        seen_at=AT,
    )
    assert PackageSet.open(wanted.sign(SIGNER), PUBLIC) == wanted
    assert HostState.open(state.sign(SIGNER), PUBLIC) == state
    assert state.held == {"libssl3": "3.0.17-1~deb12u3", "tzdata": "2026a-0+deb12u1"}


@pytest.mark.parametrize(
    ("packages", "said"),
    [
        ([package("bb"), package("aa")], "order of their names"),
        ([package(), package()], "each once"),
        ([package("aa"), package("bb", architecture="arm64")], "amd64, arm64"),
    ],
)
def test_a_set_that_isnt_one_is_refused(packages: list[Package], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        PackageSet.read(package_set(*packages))


@pytest.mark.parametrize("version", ["", "-1", "1 2", "1;reboot", "1=2", "a1", "1" * 81, "1\n"])
def test_what_is_no_version_never_reaches_a_command(version: str) -> None:
    words = package_set()
    words["packages"][0]["version"] = version
    with pytest.raises(DocumentError, match="version"):
        PackageSet.read(words)


@pytest.mark.parametrize("name", ["", "-y", "A", "a b", "a=1", "../x"])
def test_what_is_no_name_never_reaches_a_command(name: str) -> None:
    words = package_set()
    words["packages"][0]["name"] = name
    with pytest.raises(DocumentError, match="name"):
        PackageSet.read(words)


@pytest.mark.parametrize("version", ["15.9(3)M10", "v7.4.4", "17.09.05a", "12.15", "R7.1~rc:2_b+c-d", "1" * 80])
def test_a_makers_own_version_is_taken_as_its_device_says_it(version: str) -> None:
    assert Device(model="C1111", version=version).version == version


@pytest.mark.parametrize("version", ["", "-1", "(1)", "1 2", "1;reboot", "1=2", "<b>", "１", "1" * 81, "1\n"])
def test_what_cant_be_shown_or_compared_is_no_version_of_firmware(version: str) -> None:
    with pytest.raises(ValueError, match="version"):
        Device(model="C1111", version=version)


def test_as_many_as_are_allowed_fit_into_an_envelope() -> None:
    many = [package(f"librenkei-package-{number:03}") for number in range(MAX_PACKAGES)]
    wanted = PackageSet(number=1, issued_at=AT, hosts=1, packages=many)
    held = [f"librenkei-package-{number:04}=3.0.17-1~deb12u3" for number in range(MAX_HELD)]
    state = HostState(
        host="asp-hub", device=Device(model="debian-12", version="12.15"), packages=held, restart=True, seen_at=AT
    )
    assert len(wanted.sign(SIGNER)) <= MAX_ENVELOPE
    assert len(state.sign(SIGNER)) <= MAX_ENVELOPE
