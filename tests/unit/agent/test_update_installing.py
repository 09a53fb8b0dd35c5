"""The two halves on a machine: what the agent asks, and what the part that may install lets itself be asked."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from renkei.agent.home import Home
from renkei.agent.keys import point_of
from renkei.agent.updates import documents, installing, packages, patching, tools, windows_update
from renkei.agent.updates.installing import NothingToDo, carry_out
from renkei.agent.updates.machine import MachineError, Result, Work
from renkei.agent.updates.packages import PackageError
from renkei.agent.updates.places import Job, Places, Working, read, write
from renkei.agent.updates.windows_update import WindowsUpdate
from renkei.exchange.bindings import BindingError, DirectoryEntry
from renkei.exchange.certificates import make_key, make_request
from renkei.exchange.clock import whole_seconds
from renkei.exchange.documents import DocumentError, Signer, payload_sha256, peek
from renkei.exchange.parties import Party
from renkei.exchange.updates import Order, OrderError, PatchState, Permit, Update
from unit.agent.update_host import AFTER, BEFORE, MINUTE, order
from unit.agent.update_package import CONTENT, package
from unit.agent.update_programs import TOOLS, Programs


@dataclass
class Bench:
    """A terminal whose programs are doubles, with both halves of its agent."""

    home: Home
    programs: Programs
    machine: WindowsUpdate
    signer: Signer
    entry: DirectoryEntry
    clock: list[datetime]

    @property
    def now(self) -> datetime:
        return self.clock[0]

    def pass_time(self, minutes: int) -> None:
        self.clock[0] += minutes * MINUTE

    def order(self, **changes: Any) -> Order:
        values = {"updates": [package()], **changes}
        return order(1, self.now, **values)

    def work(self, given: Order, *, permit: bool = True) -> Work:
        envelope = given.sign(self.signer)
        entry = self.entry.to_json().decode()
        allowed = Permit(
            endpoint=given.endpoint,
            terminal=given.terminal,
            order=given.id,
            order_sha256=payload_sha256(envelope),
            given_at=self.now,
            expires=self.now + 15 * MINUTE,
        ).sign(self.signer)
        return Work(given, 1, envelope, allowed if permit else None, (entry, entry))

    def bring(self, *updates: Update) -> None:
        folder = self.machine.places.packages
        folder.mkdir(parents=True, exist_ok=True)
        for each in updates:
            (folder / each.file).write_bytes(CONTENT)

    def carry_out(self) -> str:
        return carry_out(self.home.settings, TOOLS).problem


@pytest.fixture
def bench(offline: Any, pki: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Bench]:
    def make(link: str = "media", *known: Update) -> Bench:
        clock = [whole_seconds(offline.now())]
        for module in (documents, patching, installing, windows_update):
            monkeypatch.setattr(module, "now", lambda: clock[0])
        programs = Programs({each.file: each for each in known or (package(),)})
        monkeypatch.setattr(tools.subprocess, "run", programs.run)
        home = offline.agent("131041", link=link, trust_anchor=pki.anchor_file)
        machine = WindowsUpdate(TOOLS, Places(home.settings.home), from_source=link != "media")
        key = make_key()
        request = make_request(key, Party("authority"), "linkage")
        entry = pki.entry(request, "authority", "linkage", point_of(make_key().public_key()))
        return Bench(home, programs, machine, Signer(key), entry, clock)

    return make


def night(bench: Callable[..., Bench], link: str = "media", *known: Update, **changes: Any) -> tuple[Bench, Work]:
    """A bench at the beginning of an order's first window, its packages there."""
    made = bench(link, *known)
    given = made.order(**{"updates": list(known) or [package()], **changes})
    made.pass_time(30)
    made.bring(*given.updates)
    return made, made.work(given)


def test_by_medium_dism_installs_the_packages_in_their_order(bench: Callable[..., Bench]) -> None:
    first, second = package("KB5043080", "26100.1742"), package("KB5058411", AFTER, "KB5043080")
    made, work = night(bench, "media", first, second)
    assert made.machine.fetch(work).done
    made.machine.start(work)
    assert made.machine.is_working(work)
    assert made.carry_out() == ""
    assert made.programs.added() == [first.file, second.file]
    assert (made.machine.is_working(work), made.machine.result(work)) == (False, Result())
    made.machine.restart(work)
    assert made.carry_out() == ""
    assert made.machine.survey().build == AFTER


def test_a_line_brings_and_installs_them_from_windows_own_source(bench: Callable[..., Bench]) -> None:
    made = bench("online")
    given = made.order()
    work = made.work(given, permit=False)
    assert not made.machine.fetch(work).done
    assert made.carry_out() == ""
    assert made.machine.fetch(work).done
    made.pass_time(30)
    work = made.work(given)
    made.machine.start(work)
    assert made.carry_out() == ""
    assert [each for each in made.programs.calls if each[0] == "source"] == [
        ("source", "-Kb", "KB5058411", "-DownloadOnly"),
        ("source", "-Kb", "KB5058411"),
    ]


def test_what_the_source_doesnt_offer_is_told_and_asked_for_again_later(bench: Callable[..., Bench]) -> None:
    made = bench("online")
    made.programs.offered = False
    work = made.work(made.order())
    made.machine.fetch(work)
    assert "offers none of KB5058411" in made.carry_out()
    assert "offers none of KB5058411" in made.machine.fetch(work).problem
    assert len([each for each in made.programs.calls if each[0] == "begin"]) == 1
    made.pass_time(31)
    made.machine.fetch(work)
    assert len([each for each in made.programs.calls if each[0] == "begin"]) == 2


def test_where_the_line_is_down_a_medium_serves_a_terminal_with_a_line(bench: Callable[..., Bench]) -> None:
    made, work = night(bench, "online")
    assert made.machine.fetch(work).done
    made.machine.start(work)
    assert made.carry_out() == ""
    assert made.programs.added() == [package().file]


def test_a_missing_package_is_named(bench: Callable[..., Bench]) -> None:
    made = bench()
    progress = made.machine.fetch(made.work(made.order()))
    assert progress.problem == "windows11.0-kb5058411-x64.msu: not here; bring a medium that has it"


def test_a_package_that_was_changed_is_not_installed(bench: Callable[..., Bench]) -> None:
    made, work = night(bench)
    (made.machine.places.packages / package().file).write_bytes(b"x" * len(CONTENT))
    made.machine.start(work)
    assert "isn't the package of KB5058411 that was signed" in made.carry_out()
    assert made.programs.added() == []


def test_a_bad_update_is_removed_under_the_name_that_windows_has_for_it(bench: Callable[..., Bench]) -> None:
    made, work = night(bench, action="uninstall")
    made.programs.installed, made.programs.build = ["KB5043080", "KB5058411"], AFTER
    made.machine.start(work)
    assert made.carry_out() == ""
    assert made.programs.calls[-1][-1] == f"/packagename:Package_for_RollupFix~31bf3856ad364e35~amd64~~{AFTER}.1.7"
    made.programs.boot()
    assert (made.machine.survey().build, made.machine.survey().installed) == (BEFORE, ("KB5043080",))


def test_what_dism_says_is_told_with_its_code(bench: Callable[..., Bench]) -> None:
    made, work = night(bench)
    made.programs.faults = {"disk full"}
    made.machine.start(work)
    assert made.carry_out() == (
        "KB5058411: dism, code 0x80070070: Error: 0x80070070 There is not enough space on the disk."
    )
    result = made.machine.result(work)
    assert result is not None
    assert result.problem


def test_the_part_that_may_install_believes_the_authority_alone(bench: Callable[..., Bench]) -> None:
    made, work = night(bench)
    mine = made.home.keys()
    forged = work.order.sign(mine.signer)
    entry = mine.entry.to_json().decode()
    made.machine.start(Work(work.order, 1, forged, work.permit, (entry, *work.entries[1:])))
    with pytest.raises(BindingError):
        made.carry_out()
    made.machine.start(Work(work.order, 1, forged, work.permit, work.entries))
    with pytest.raises(DocumentError):
        made.carry_out()
    assert [each for each in made.programs.calls if each[0] != "begin"] == []


@pytest.mark.parametrize(
    ("minutes", "permit", "said"),
    [(0, False, "needs a permit"), (16, True, "the permit holds"), (5 * 60, True, "windows is open")],
)
def test_without_a_permit_of_now_and_an_open_window_nothing_is_touched(
    bench: Callable[..., Bench],
    *,
    minutes: int,
    permit: bool,
    said: str,
) -> None:
    made = bench("online")
    given = made.order()
    made.pass_time(30)
    work = made.work(given, permit=permit)
    made.bring(*given.updates)
    made.pass_time(minutes)
    made.machine.start(work)
    with pytest.raises(OrderError, match=said):
        made.carry_out()
    assert made.programs.added() == []
    result = made.machine.result(work)
    assert result is not None
    assert said in result.problem


def test_a_restart_needs_an_order_too(bench: Callable[..., Bench]) -> None:
    made = bench("online")
    given = made.order()
    made.pass_time(30)
    made.machine.restart(made.work(given, permit=False))
    with pytest.raises(OrderError, match="needs a permit"):
        made.carry_out()
    assert made.programs.boots == 1


def test_an_order_that_was_begun_goes_on_in_its_windows_without_a_new_permit(bench: Callable[..., Bench]) -> None:
    made, work = night(bench, "online")
    made.machine.start(work)
    made.carry_out()
    made.pass_time(60)
    made.machine.restart(work)
    assert made.carry_out() == ""
    made.pass_time(4 * 60)
    made.machine.restart(work)
    with pytest.raises(OrderError, match="none of its windows is open"):
        made.carry_out()
    assert made.programs.boots == 2


def test_a_try_that_was_answered_isnt_made_again(bench: Callable[..., Bench]) -> None:
    made, work = night(bench)
    made.machine.start(work)
    made.carry_out()
    with pytest.raises(NothingToDo):
        made.carry_out()
    assert len(made.programs.added()) == 1


def test_a_job_of_another_time_is_none(bench: Callable[..., Bench]) -> None:
    made, work = night(bench)
    made.machine.start(work)
    made.pass_time(11)
    with pytest.raises(NothingToDo):
        made.carry_out()
    (made.machine.places.job).write_bytes(b"{")
    with pytest.raises(NothingToDo):
        made.carry_out()


def test_work_that_a_power_cut_ended_is_told_from_work_that_goes_on(bench: Callable[..., Bench]) -> None:
    made, work = night(bench)
    made.machine.start(work)
    until = made.now + timedelta(hours=3)
    boot = made.machine.survey().boot
    write(
        made.machine.places.working,
        Working(doing="install", order=str(work.order.id), number=1, boot=boot, until=until),
    )
    made.pass_time(30)
    assert made.machine.is_working(work)
    made.programs.boot()
    made.machine.survey()
    assert not made.machine.is_working(work)
    assert made.machine.result(work) is None


def test_a_task_that_cant_be_started_is_told(bench: Callable[..., Bench]) -> None:
    made, work = night(bench)
    made.programs.faults = {"no task"}
    with pytest.raises(MachineError, match="the installer can't be called, code 1"):
        made.machine.start(work)


def test_a_machine_that_says_what_isnt_in_its_form_is_told(bench: Callable[..., Bench]) -> None:
    made = bench()
    made.programs.faults = {"survey"}
    with pytest.raises(MachineError, match="Access denied"):
        made.machine.survey()
    made.programs.faults, made.programs.build = set(), "Windows 11"
    with pytest.raises(MachineError, match="isn't in its form"):
        made.machine.survey()


def test_both_halves_carry_out_an_order_by_medium_from_its_arrival_to_its_answer(bench: Callable[..., Bench]) -> None:
    made = bench()
    given = made.order(permit=False)
    documents.take(made.home, given.sign(made.signer), made.entry)
    patching.tend(made.home, made.machine)
    made.bring(*given.updates)
    for _ in range(20):
        made.pass_time(5)
        patching.tend(made.home, made.machine)
        job = read(made.machine.places.job, Job)
        if job is not None and job.asked_at == made.now:
            assert made.carry_out() == ""
    states = [PatchState.read(peek(each.envelope).payload) for each in made.home.spool.updates.since("")]
    assert [each.stage for each in states] == ["blocked", "checked", "restarting", "done"]
    assert states[-1].fulfils(given)
    assert made.programs.added() == [package().file]
    assert made.programs.boots == 2


def test_a_copy_that_was_cut_short_goes_on_where_it_stopped(tmp_path: Path) -> None:
    source, folder, wanted = tmp_path / "medium.msu", tmp_path / "packages", package()
    source.write_bytes(CONTENT)
    folder.mkdir()
    (folder / f".{wanted.file}.part").write_bytes(CONTENT[:1000])
    assert packages.lacking(folder, [wanted]) == [wanted]
    assert packages.bring(source, folder, wanted) == len(CONTENT) - 1000
    assert (folder / wanted.file).read_bytes() == CONTENT
    assert packages.lacking(folder, [wanted]) == []


def test_a_copy_that_isnt_the_package_is_begun_anew(tmp_path: Path) -> None:
    source, folder, wanted = tmp_path / "medium.msu", tmp_path / "packages", package()
    source.write_bytes(CONTENT)
    folder.mkdir()
    (folder / f".{wanted.file}.part").write_bytes(b"of another package")
    with pytest.raises(PackageError, match="isn't the package of KB5058411 that was signed"):
        packages.bring(source, folder, wanted)
    assert packages.bring(source, folder, wanted) == len(CONTENT)
    source.write_bytes(b"short")
    with pytest.raises(PackageError, match="has 5 bytes"):
        packages.bring(source, folder, wanted)


def test_a_program_is_run_without_a_shell_and_its_end_is_told() -> None:
    answer = tools.run((sys.executable, "-I", "-S", "-c", "import sys; print('$HOME\\x1b[1m'); sys.exit(7)"))
    assert (answer.code, answer.tail) == (7, "$HOME [1m")
    with pytest.raises(MachineError, match="can't be run"):
        tools.run(("/nowhere/dism",))
