"""The module that brings a host to a wave's versions, against a double of apt that answers as apt does."""

import hashlib
import importlib.util
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

PLUGINS = Path(__file__).parents[4] / "ansible" / "plugins"


def load(name: str, file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


debian = load("ansible.module_utils.debian_packages", PLUGINS / "module_utils" / "debian_packages.py")
exact = load("exact_packages", PLUGINS / "modules" / "exact_packages.py")

OLD, NEW = "1:1.0-1", "1:1.0-2"


def content(name: str, version: str) -> bytes:
    return f"{name} {version}".encode()


def package(name: str, version: str, **changes: Any) -> dict[str, Any]:
    digest = hashlib.sha256(content(name, version)).hexdigest()
    values = {"name": name, "version": version, "architecture": "amd64", "sha256": digest, "size": 1000}
    return {**values, "urgency": "urgent", **changes}


WAVE = [package("bash", NEW), package("readline", "8-2"), package("zsh", "9-1")]


@dataclass
class Host:
    """A host with apt: bash needs readline from its second version on. It does what it is told, and no more."""

    home: Path
    has: dict[str, str] = field(default_factory=lambda: {"bash": OLD, "tar": "1"})
    held: str = ""
    audit: str = ""
    removes: str = ""
    commands: list[list[str]] = field(default_factory=list)

    def run(self, command: list[str], **_: Any) -> tuple[int, str, str]:
        self.commands.append(command)
        match command[0]:
            case "dpkg-query":
                return 0, "".join(f"installed\tamd64\t{name}\t{has}\n" for name, has in self.has.items()), ""
            case "dpkg":
                return self.dpkg(command)
            case "apt-mark":
                return 0, self.held if command[1] == "showhold" else "", ""
            case "env":
                return 100, "", "E: no such version"
        return self.apt(command)

    def dpkg(self, command: list[str]) -> tuple[int, str, str]:
        if command[1] == "--compare-versions":
            return int(command[2] <= command[4]), "", ""
        if command[1] == "--configure":
            self.audit = ""
            self.has["bash"] = NEW
        return 0, "amd64\n" if command[1] == "--print-architecture" else self.audit, ""

    def apt(self, command: list[str]) -> tuple[int, str, str]:
        wanted = dict(word.split("=", 1) for word in command if "=" in word and not word.startswith("-"))
        if "--simulate" in command:
            if wanted.get("bash") == NEW and "readline" not in self.has:
                wanted["readline"] = "8-2"
            lines = [
                f"Inst {name}{f' [{self.has[name]}]' if name in self.has else ''} ({version} Debian:12/stable [amd64])"
                for name, version in wanted.items()
            ]
            return 0, "\n".join([*lines, *([f"Remv {self.removes} [1]"] if self.removes else [])]), ""
        if "--download-only" in command:
            for name, version in wanted.items():
                self.put(name, version)
        elif "install" in command:
            files = [Path(word) for word in command if word.startswith("/")]
            kept = {file.name.split("_")[0]: file.name.split("_")[1].replace("%3a", ":") for file in files}
            self.has |= wanted | kept
            for name in (word[:-1] for word in command if word.endswith("-") and not word.startswith("-")):
                del self.has[name]
        return 0, "", ""

    def put(self, name: str, version: str) -> None:
        file = self.home / "archives" / f"{name}_{version.replace(':', '%3a')}_amd64.deb"
        file.write_bytes(content(name, version))

    def work(self, *packages: dict[str, Any], **more: Any) -> Any:
        parameters = {"packages": list(packages), "action": "install", "home": str(self.home), "reserve_mib": 0}
        return exact.Work(SimpleNamespace(params={**parameters, "resumed": False, **more}, run_command=self.run))


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr(debian, "LOCKS", ())
    monkeypatch.setattr(debian, "APT_ARCHIVES", tmp_path)
    return Host(tmp_path)


def test_only_what_a_host_has_is_wanted_and_what_that_needs_comes_along(host: Host) -> None:
    work = host.work(*WAVE)
    assert work.wanted == {"bash": NEW}
    assert [(step.name, step.before, step.after) for step in work.steps()] == [
        ("bash", OLD, NEW),
        ("readline", "", "8-2"),
    ]
    assert work.hindrances() == []


def test_it_installs_in_one_call_and_a_second_run_has_nothing_to_do(host: Host) -> None:
    assert host.work(*WAVE).fetch() == [f"bash={OLD}"]  # no mirror has the version before
    assert not host.work(*WAVE).begun
    host.work(*WAVE).install()
    assert host.work(*WAVE).begun
    assert host.has == {"bash": NEW, "readline": "8-2", "tar": "1"}
    installs = [
        each
        for each in host.commands
        if "install" in each and "--simulate" not in each and "--download-only" not in each
    ]
    assert len(installs) == 1
    assert "--no-remove" in installs[0]
    assert ["apt-mark", "auto", "readline"] in host.commands
    assert host.work(*WAVE).wanted == {}


def test_a_bad_version_goes_back_with_what_came_along(host: Host) -> None:
    (host.home / "archives").mkdir()
    host.put("bash", OLD)
    assert host.work(*WAVE).fetch() == []
    host.work(*WAVE).install()
    back = host.work(*WAVE, action="uninstall")
    assert back.hindrances() == []
    assert back.wanted == {"bash": OLD, "readline": ""}
    back.install()
    assert host.has == {"bash": OLD, "tar": "1"}
    assert host.work(*WAVE, action="uninstall").wanted == {}


def test_another_file_than_the_waves_is_thrown_away(host: Host) -> None:
    forged = [package("bash", NEW, sha256="0" * 64), WAVE[1]]
    with pytest.raises(debian.AptError, match="SHA-256"):
        host.work(*forged).fetch()
    assert not list((host.home / "archives").glob("bash_*2_*.deb"))
    assert host.has["bash"] == OLD


@pytest.mark.parametrize(
    ("change", "packages", "said"),
    [
        ({}, WAVE[:1], "would come along, and the wave doesn't have it: readline=8-2"),
        ({"has": {"bash": "1:1.0-3"}}, WAVE, "newer than the wave's: bash 1:1.0-3"),
        ({"held": "bash\n"}, WAVE, "on hold by somebody's word: bash"),
        ({"audit": " bash half configured\n"}, WAVE, "half done:  bash half configured"),
        ({"removes": "tar"}, WAVE, "would be removed: tar"),
    ],
)
def test_what_stands_against_it_is_said_before_anything_is_touched(
    host: Host, change: dict[str, Any], packages: list[dict[str, Any]], said: str
) -> None:
    for name, value in change.items():
        setattr(host, name, value)
    before = dict(host.has)
    assert said in "; ".join(host.work(*packages).hindrances())
    assert host.has == before


def test_what_the_wave_itself_left_half_done_is_brought_to_an_end(host: Host) -> None:
    del host.has["bash"]
    host.audit = " bash half configured\n"
    strange = host.work(*WAVE)
    strange.go_on(check_mode=False)
    assert strange.hindrances()  # somebody else's: a person looks
    own = host.work(*WAVE, resumed=True)
    own.go_on(check_mode=False)
    assert own.hindrances() == []
    assert (own.wanted, own.held) == ({}, {"bash": NEW})


def test_a_full_disk_and_a_missing_way_back_stand_against_it(host: Host) -> None:
    assert "MiB free" in "; ".join(host.work(*WAVE, reserve_mib=10**9).hindrances())
    host.has["bash"] = NEW
    assert host.work(*WAVE, action="uninstall").hindrances() == ["nobody noted what was before: bash"]


def test_what_runs_but_isnt_installed_any_more_needs_a_restart(tmp_path: Path) -> None:
    process = tmp_path / "proc" / "7"
    process.mkdir(parents=True)
    kernel = tmp_path / "proc" / "sys" / "kernel"
    kernel.mkdir(parents=True)
    (kernel / "osrelease").write_text("6.1.0-9-amd64\n")
    (tmp_path / "boot").mkdir()
    (tmp_path / "boot" / "vmlinuz-6.1.0-9-amd64").touch()
    (process / "comm").write_text("nginx\n")
    (process / "maps").write_text("7f00-7f01 r-xp 00000000 08:01 42    /usr/lib/libssl.so.3\n")
    assert debian.needs_restart(tmp_path) == []
    (process / "maps").write_text("7f00-7f01 r-xp 00000000 08:01 42    /usr/lib/libssl.so.3 (deleted)\n")
    (tmp_path / "boot" / "vmlinuz-6.1.0-10-amd64").touch()
    assert debian.needs_restart(tmp_path) == [
        "the kernel 6.1.0-10-amd64 is installed, 6.1.0-9-amd64 runs",
        "replaced files are in use by nginx",
    ]
