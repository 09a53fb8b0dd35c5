"""Which versions a wave brings: chosen once, by Debian's order of versions, and only from looks that can be used."""

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from renkei.exchange.packages import MAX_PACKAGES, Device, Package
from renkei.fleet.hosts.found import Found, FoundError, read_found
from renkei.fleet.hosts.resolve import FRESH, resolve, version_key

NOW = datetime(2026, 11, 27, 2, 0, tzinfo=UTC)


def package(name: str, version: str, **changes: Any) -> Package:
    values = {"name": name, "version": version, "architecture": "amd64", "sha256": "ab" * 32, "size": 1000}
    return Package.model_validate({**values, "urgency": "routine", **changes})


def look(host: str, *offered: Package, at: datetime = NOW, packages: tuple[str, ...] = ("bash=5.2.15-2+b8",)) -> Found:
    device = Device(model="debian-12", version="12.15")
    return Found(
        host=host,
        seen_at=at,
        architecture="amd64",
        device=device,
        packages=list(packages),
        restart=False,
        offered=list(offered),
    )


def test_the_newest_version_that_anybody_is_offered_counts_for_all() -> None:
    newer, older = package("libssl3", "3.0.17-1~deb12u10"), package("libssl3", "3.0.17-1~deb12u9")
    choice = resolve([look("b-hub", older), look("a-hub", newer), look("c-hub")], NOW)
    assert choice.packages == (newer,)
    assert choice.wanted_by == {"libssl3": ("a-hub", "b-hub")}
    assert choice.hosts == 3


def test_wanted_is_what_a_host_has_at_an_older_version_or_needs_whatever_it_was_offered() -> None:
    looks = [
        look("a-offered", package("bash", "5.3"), package("libnew1", "1"), packages=("bash=5.2",)),
        look("b-behind", packages=("bash=5.2",)),  # looked at before the mirror had 5.3
        look("c-halfway", package("bash", "5.2.9"), packages=("bash=5.2",)),
        look("d-current", packages=("bash=5.3",)),
        look("e-ahead", packages=("bash=5.4",)),
        look("f-without", packages=("zsh=5.9",)),
        look("g-has-it", packages=("bash=5.3", "libnew1=1")),
    ]
    assert resolve(looks, NOW).wanted_by == {"bash": ("a-offered", "b-behind", "c-halfway"), "libnew1": ("a-offered",)}


@pytest.mark.parametrize("first", ["a", "z"])
def test_what_is_urgent_for_one_host_is_urgent_in_the_set(first: str) -> None:
    """The same version came from Debian's security archive for one, from the main one for the other."""
    urgent, routine = package("bash", "5.3", urgency="urgent"), package("bash", "5.3")
    assert resolve([look(first, routine), look("m", urgent)], NOW).packages == (urgent,)


def test_a_version_that_replaces_an_urgent_one_is_urgent() -> None:
    point_release, security = package("bash", "5.4"), package("bash", "5.3", urgency="urgent")
    [chosen] = resolve([look("a", security), look("b", point_release)], NOW).packages
    assert (chosen.version, chosen.urgency) == ("5.4", "urgent")


_PART = st.text("019abz.+~", min_size=0, max_size=6)
_VERSION = st.builds(
    lambda epoch, head, upstream, revision: f"{epoch}{head}{upstream}{revision}",
    st.sampled_from(["", "0:", "1:", "10:"]),
    st.sampled_from("0129"),
    _PART,
    st.one_of(st.just(""), st.text("019ab.+~", min_size=1, max_size=5).map(lambda text: f"-{text}")),
)


@given(_VERSION, _VERSION)
@example("1.0~rc1", "1.0")
@example("0:1.0", "1.0")
@example("1.10", "1.9")
@example("1.0+b1", "1.0")
def test_versions_are_ordered_as_dpkg_orders_them(left: str, right: str) -> None:
    def dpkg(relation: str) -> bool:
        done = subprocess.run(["dpkg", "--compare-versions", left, relation, right], check=False)
        return done.returncode == 0

    ours = version_key(left), version_key(right)
    assert (ours[0] > ours[1], ours[0] == ours[1]) == (dpkg("gt"), dpkg("eq"))


@given(st.permutations([look(f"h{number}", package("bash", f"5.2-{number}")) for number in range(5)]))
def test_who_is_looked_at_first_changes_nothing(looks: list[Found]) -> None:
    assert resolve(looks, NOW).packages == (package("bash", "5.2-4"),)


@pytest.mark.parametrize(
    ("looks", "only", "said"),
    [
        ([look("hub"), look("mirror")], (), "nothing to resolve"),
        ([], (), "any host of this fleet"),
        ([look("hub", package("bash", "1"), at=NOW + timedelta(minutes=6))], (), "clock is ahead of ours: hub"),
        (
            [look("a", package("bc", "1")), look("z", package("dc", "1", architecture="arm64"))],
            (),
            "bc is for amd64, dc is for arm64",
        ),
        ([look("hub", package("bash", "1"), at=NOW - FRESH - timedelta(seconds=1))], (), "more than a day ago: hub"),
        ([look("a", package("bash", "1")), look("b", package("bash", "1", sha256="cd" * 32))], (), "one file for a"),
        ([look("hub", package("bash", "1"))], ("zsh",), "no other version of zsh"),
        ([look("hub", *(package(f"p{n:03}", "1") for n in range(MAX_PACKAGES + 1)))], (), "193 packages are more than"),
    ],
)
def test_what_cant_be_resolved_is_said(looks: list[Found], only: tuple[str, ...], said: str) -> None:
    with pytest.raises(FoundError, match=said):
        resolve(looks, NOW, only)


def test_some_of_many_can_be_chosen() -> None:
    many = look("hub", *(package(f"p{n:03}", "1") for n in range(MAX_PACKAGES + 1)))
    assert [each.name for each in resolve([many], NOW, ("p007", "p003")).packages] == ["p003", "p007"]


def test_looks_are_read_by_host_and_every_wrong_file_is_named(tmp_path: Path) -> None:
    def put(name: str, text: str) -> None:
        (tmp_path / f"{name}.json").write_text(text)

    with pytest.raises(FoundError, match="no such folder"):
        read_found(tmp_path / "none")
    with pytest.raises(FoundError, match="nothing was found on any host"):
        read_found(tmp_path)
    put("asp-hub", look("asp-hub", package("bash", "1")).model_dump_json())
    assert list(read_found(tmp_path)) == ["asp-hub"]
    put("asp-mirror", look("asp-hub").model_dump_json())
    put("asp-router", "{")
    put("moj-router", json.dumps(json.loads(look("moj-router").model_dump_json()) | {"packages": ["-y=1"]}))
    with pytest.raises(FoundError) as refused:
        read_found(tmp_path)
    said = str(refused.value).splitlines()
    assert [line.split(": ")[0].rpartition("/")[2] for line in said[:3]] == [
        "asp-mirror.json",
        "asp-router.json",
        "moj-router.json",
    ]
    assert "is about asp-hub" in said[0]
    assert "packages" in said[2]
