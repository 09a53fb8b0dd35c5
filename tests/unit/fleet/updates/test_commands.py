"""`renkei updates`, as two people and the authority use it: from a package's arrival to both ways out."""

import hashlib
import json
import signal
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from renkei.cli import updates, updates_list
from renkei.fleet.updates import laying
from renkei.store.errors import StoreError
from renkei.store.update_list import UpdateList
from unit.dying import die_at
from unit.fleet.conftest import INVENTORY
from unit.fleet.updates.arrival import CONTENT, NAME
from unit.fleet.waves.desk import Clock, Desk

KB = "KB5058411"
OTHER = b"another package" * 900


class Office(Desk):
    """The files of ministry IT, and its list of updates."""

    def updates(self, what: str, *words: str, code: int = 0) -> str:
        return self.run(updates.app, what, *words, "--list", str(self.file("updates.db")), code=code)

    def person(self, name: str) -> tuple[str, ...]:
        return "--as", name, "--key", str(self.file(f"{name}.key"))

    def bring(self, *words: str, code: int = 0) -> str:
        build = ("--build", "26100.4061", "--packages", str(self.file("packages")))
        person = (*self.person("sato"), *self.people)
        return self.updates("import", str(self.file(NAME)), *build, *person, *words, code=code)

    def listed(self) -> str:
        """The digest that the list has, or nothing."""
        if not self.file("updates.db").exists():
            return ""
        found = json.loads(self.updates("list", "--json"))["updates"]
        return found[0]["sha256"] if found else ""

    def laid(self) -> str:
        """The digest of the package that lies there."""
        return hashlib.sha256((self.file("packages") / NAME).read_bytes()).hexdigest()

    def approve(self, person: str, *words: str, code: int = 0) -> str:
        fleet = ("--fleet", str(INVENTORY / "lab"))
        return self.updates("approve", KB, *self.person(person), *self.people, *fleet, *words, code=code)

    def sign(self, *words: str, code: int = 0) -> Any:
        key = ("--key", str(self.file("authority.key")), "--entry", str(self.file("entry.json")))
        out = ("--out", self.catalogue, "--json")
        found = self.updates("sign", *key, *self.people, *out, *words, code=code)
        return json.loads(found) if code == 0 else found

    @property
    def people(self) -> tuple[str, str]:
        return "--people", str(self.file("people.json"))


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    for module in (updates, updates_list):
        monkeypatch.setattr(module, "datetime", Clock)
    found = Office(tmp_path)
    found.file(NAME).write_bytes(CONTENT)
    return found


@pytest.mark.thorough
def test_the_life_of_a_catalogue(office: Office) -> None:
    office.sign(code=1)
    assert "waits for an approval" in office.bring()
    assert office.file("packages").joinpath(NAME).read_bytes() == CONTENT
    assert "known" in office.bring()
    office.sign(code=1)
    office.approve("sato", code=1)
    assert "nothing was kept" in office.approve("suzuki", "--ring", "canary", "--dry-run")
    office.sign(code=1)
    approved = json.loads(office.approve("suzuki", "--ring", "canary", "--json"))
    assert (approved["kept"], approved["updates"][0]["standing"]) == (True, "approved")
    assert office.sign("--dry-run")["written"] is False
    assert not Path(office.catalogue).exists()
    first = office.sign()
    assert (first["number"], first["new"], [each["kb"] for each in first["updates"]]) == (1, True, [KB])
    assert (office.sign()["number"], office.sign()["new"]) == (1, False)
    assert KB in office.updates("list", office.catalogue, *office.anchor)
    shown = json.loads(office.updates("list", "--json"))
    assert (shown["catalogue"], shown["updates"][0]["standing"], shown["updates"][0]["rings"]) == (
        1,
        "approved",
        ["canary"],
    )
    assert "approved by suzuki: canary" in office.updates("list")

    rings = json.loads(office.updates("approvals", *office.people, "--fleet", str(INVENTORY / "lab")))
    assert rings["update_source_approved"]["canary"] == [KB]
    office.updates("decline", KB, "--as", "suzuki", "--why", "breaks printing")
    office.updates("decline", KB, "--as", "suzuki", "--why", " ", code=2)
    tried = json.loads(office.updates("decline", KB, "--as", "tanaka", "--why", "slow", "--dry-run", "--json"))
    assert (tried["kept"], tried["updates"][0]["by"]) == (False, "tanaka")
    out = str(office.file("approvals.json"))
    office.updates("approvals", *office.people, "--fleet", str(INVENTORY / "lab"), "--out", out)
    assert json.loads(Path(out).read_text())["update_source_declined"] == [KB]
    assert "declined by suzuki: breaks printing" in " ".join(office.updates("list").split())
    office.sign(code=1)


def test_a_dry_run_keeps_nothing(office: Office) -> None:
    assert "nothing was kept" in office.bring("--dry-run")
    person, fleet = office.person("suzuki"), ("--fleet", str(INVENTORY / "lab"))
    for words in (
        ("list", "--json"),
        ("approve", KB, *person, *office.people, *fleet, "--dry-run"),
        ("decline", KB, "--as", "suzuki", "--why", "slow"),
        ("approvals", *office.people, *fleet),
    ):
        assert "no list is there; `renkei updates import` makes it" in office.updates(*words, code=1)
    assert not office.file("packages").exists()
    assert not office.file("updates.db").exists()


def test_nothing_is_imported_unless_all_of_it_fits(office: Office) -> None:
    office.file("kb5043080.msu").write_bytes(b"y")
    office.file("list.json").write_text(
        json.dumps([{"kb": KB, "build": "26100.4061"}, {"kb": "KB5043080", "build": "26100.1", "sha256": "ab" * 32}])
    )
    files = (str(office.file(NAME)), str(office.file("kb5043080.msu")), "--expect", str(office.file("list.json")))
    office.updates("import", *files, *office.person("sato"), *office.people, code=1)
    assert not office.file("updates.db").exists()


def test_a_package_that_a_catalogue_names_is_not_replaced(office: Office) -> None:
    office.bring()
    office.approve("suzuki")
    office.sign()
    office.file(NAME).write_bytes(OTHER)
    for dry in (("--dry-run",), ()):
        assert "catalogue 1 has another package of this name" in office.bring(*dry, code=1)
    assert [path.name for path in office.file("packages").iterdir()] == [NAME]
    assert office.laid() == office.listed() == hashlib.sha256(CONTENT).hexdigest()


def test_a_list_that_cant_be_written_is_set_right_by_importing_again(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transaction fails after the package has its name: nothing speaks of it, and either one may come again."""

    def full(store: UpdateList, decide: Callable[[Any], Any]) -> None:
        decide(store.acts())
        raise StoreError("disk is full")

    office.bring()
    for again in (OTHER, CONTENT):
        office.file(NAME).write_bytes(OTHER)
        with monkeypatch.context() as patch:
            patch.setattr(UpdateList, "add", full)
            assert "disk is full" in office.bring(code=1)
        office.file(NAME).write_bytes(again)
        office.bring()
        assert office.laid() == office.listed() == hashlib.sha256(again).hexdigest()


def test_brackets_in_a_reason_are_shown_as_they_are(office: Office) -> None:
    office.bring()
    office.updates("decline", KB, "--as", "suzuki", "--why", "breaks [red] and [/dev]")
    assert "declined by suzuki: breaks [red] and [/dev]" in " ".join(office.updates("list").split())


def test_a_wrong_call_ends_with_2(office: Office) -> None:
    office.updates("import", str(office.file(NAME)), *office.person("sato"), *office.people, code=2)
    office.bring()
    office.approve("suzuki", "--ring", "nowhere", code=2)
    office.run(updates.app, "list", office.catalogue, code=2)


_STEPS: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (UpdateList, ("add", "issue")),
    (Path, ("replace", "unlink")),
    (laying, ("read",)),
)


@pytest.mark.thorough
def test_killed_at_any_step_a_package_is_whole_or_not_there_and_a_number_is_given_once(
    office: Office,
) -> None:
    def live(work: Callable[[], Any]) -> int:
        for fatal in range(1, 1000):
            process = get_context("fork").Process(target=lambda n=fatal: (die_at(n, _STEPS), work()))
            process.start()
            process.join(60)
            assert process.exitcode in {0, -signal.SIGKILL}
            package = office.file("packages") / NAME
            assert not package.exists() or package.read_bytes() in {CONTENT, OTHER}
            arrived = hashlib.sha256(office.file(NAME).read_bytes()).hexdigest()
            assert office.listed() != arrived or office.laid() == arrived  # never listed without lying there
            if process.exitcode == 0:
                return fatal - 1
        raise AssertionError("it never ends")

    assert live(office.bring) > 5
    office.file(NAME).write_bytes(OTHER)
    assert live(office.bring) > 5
    office.approve("suzuki")
    assert live(office.sign) > 2
    assert json.loads(Path(office.catalogue).read_text())
    assert json.loads(office.updates("list", "--json"))["catalogue"] == 1
    assert [path.name for path in (office.file("packages")).iterdir()] == [NAME]
