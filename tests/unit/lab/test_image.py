"""The recipe of the image."""

import pytest

from renkei.lab.errors import LabError
from renkei.lab.image import recipe_digest, sources_from

DEBIAN = """\
http://deb.example/debian/ bookworm main
http://deb.example/debian/ bookworm-updates main
http://security.example/debian-security/ bookworm-security main
"""


def test_debians_own_sources_of_the_machine_are_taken() -> None:
    lines = sources_from(DEBIAN)
    assert [line.partition("] ")[2] for line in lines] == DEBIAN.splitlines()
    assert all(line.startswith("deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ") for line in lines)


def test_sources_of_others_are_left_out() -> None:
    others = (
        "https://download.example/linux bookworm stable\nhttps://x.example sdk-bookworm main\nhttp://y nodistro main\n"
    )
    assert sources_from(DEBIAN + others) == sources_from(DEBIAN)


def test_sources_named_twice_count_once() -> None:
    assert sources_from(DEBIAN + DEBIAN) == sources_from(DEBIAN)


def test_a_machine_without_debians_sources_is_told_so() -> None:
    with pytest.raises(LabError, match="don't name Debian 12"):
        sources_from("http://deb.example/debian/ trixie main\n")


def test_other_sources_are_another_recipe() -> None:
    assert recipe_digest(["deb http://a bookworm main"]) != recipe_digest(["deb http://b bookworm main"])
