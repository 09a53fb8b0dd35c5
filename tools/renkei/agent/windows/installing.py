r"""A release becomes the service of a terminal, and is removed again, by its own interpreter.

The package is unpacked into `C:\Program Files\Renkei\versions\`, then the release installs itself:

    versions\VERSION\python\python.exe -X utf8 -m renkei.cli.agent service install

Each step looks first and tells what it changed; a second run changes nothing.
"""

import sys

if sys.platform != "win32":
    raise ImportError("renkei.agent.windows.installing is for Windows")

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from renkei.agent import versions
from renkei.agent.versions import MARK, Chosen, Trial, VersionsError
from renkei.agent.windows import access, clerks, manager, task
from renkei.agent.windows.layout import TASK, Programs

_FOLDERS = ("state", "log", "staging", "updates", *access.CLERKS)
_COMMAND = '@"{python}" -X utf8 -m renkei.cli.agent %*\r\n'
_TRIES, _PAUSE = 50, 0.2


class InstallError(Exception):
    """The release can't be installed or removed; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Place:
    """The folders of an installation."""

    programs: Path
    data: Path

    @property
    def layout(self) -> Programs:
        """Where programs lie."""
        return Programs(self.programs)


def this_release() -> tuple[Path, str]:
    """Return the programs' folder and the name of the release that this interpreter belongs to.

    Raises:
        InstallError: it belongs to none.
    """
    folder = Path(sys.executable).parents[1]
    if folder.parent.name != "versions" or not (folder / MARK).is_file():
        raise InstallError(rf"{folder} is no whole release in a folder versions\; unpack the package again")
    return folder.parents[1], folder.name


def install(place: Place, version: str, group: str = "") -> list[str]:
    """Make a release the one that the service runs.

    Args:
        place: where.
        version: the release.
        group: of those who work in inbox and outbox and see the status page, made where there is none; empty for none.

    Returns:
        What was changed, in words; nothing on a second run.

    Raises:
        InstallError, VersionsError, AccessError, ServiceTrouble, TaskError: what couldn't be done.
    """
    sid, made = clerks.ensure_group(group) if group else ("", False)
    changes = [f"group {group}"] if made else []
    changes += _folders(place, sid)
    if clerks.lay_out_shortcut(place.data / "page") if group else clerks.remove_shortcut():
        changes.append("shortcut")
    if task.ensure(Path(place.layout.command), place.data / "agent.toml", _task_note(place)):
        changes.append(f"task {TASK}")
    running = manager.state() == "running"
    if _launcher_differs(place, version):
        manager.stop()
        _replace_launcher(place, version)
        changes.append("launcher")
    if _choose(place, version):
        changes.append(f"release {version} chosen")
    if manager.ensure(Path(place.layout.launcher) / "python" / "python.exe", place.programs, place.data):
        changes.append("service")
    if running and changes:
        manager.stop()
        manager.start()
        changes.append("restarted")
    changes += [f"release {name} removed" for name in _prune(place)]
    return changes


def remove(place: Place, *, discard: bool = False) -> list[str]:
    """Remove the service, its keys and everything that it held.

    Args:
        place: where.
        discard: also when notices wait in the folders.

    Returns:
        What was removed.

    Raises:
        InstallError: notices wait, or a folder can't be removed.
    """
    folders = [place.data / name for name in ("outbox", "inbox", "rejected")]
    waiting = [path for folder in folders for path in folder.glob("**/*") if path.is_file()]
    if waiting and not discard:
        raise InstallError(
            f"{len(waiting)} files wait in outbox, inbox and rejected of {place.data}; have them sent and imported, or "
            "call this with --discard"
        )
    removed = end_service(place)
    for path in (place.data / "keys", place.data):
        if path.exists():
            _remove_tree(path)
            removed.append(str(path))
    return removed


def end_service(place: Place) -> list[str]:
    """End and delete the service, its launcher and the ways to it; what it held stays.

    Returns:
        What was removed.

    Raises:
        InstallError, ServiceTrouble, TaskError: something can't be removed.
    """
    removed = ["service"] if manager.delete() else []
    if task.remove(_task_note(place)):
        removed.append("task")
    launcher = Path(place.layout.launcher)
    if launcher.exists():
        _remove_tree(launcher)
        removed.append(str(launcher))
    for path in (Path(place.layout.chosen), Path(place.layout.command)):
        path.unlink(missing_ok=True)
    clerks.remove_shortcut()
    return removed


def _task_note(place: Place) -> Path:
    return place.programs / "updates-task.xml"


def status(place: Place) -> dict[str, object]:
    """What is installed and how it fares, for people and for evidence."""
    chosen = Chosen.read(Path(place.layout.chosen))
    trial = Trial.read(place.data / "state" / "launcher.json")
    return {
        "state": manager.state(),
        "chosen": chosen and chosen.version,
        "former": chosen and chosen.former,
        "proven": trial is not None and trial.proven,
        "failures": trial.failures if trial is not None else 0,
        "releases": versions.whole(Path(place.layout.versions)),
        "service": manager.registered(),
    }


def _folders(place: Place, group: str) -> list[str]:
    changes = []
    wanted = [(place.programs, access.programs_sddl()), (place.data, access.data_sddl())]
    wanted += [(place.data / name, access.data_sddl(group if name in access.CLERKS else "")) for name in _FOLDERS]
    wanted += [(place.data / "installer", access.installer_sddl())]
    wanted += [(place.data / "keys", access.keys_sddl()), (place.data / "page", access.page_sddl(group))]
    for folder, sddl in wanted:
        made = not folder.is_dir()
        folder.mkdir(parents=True, exist_ok=True)
        if access.allow(folder, sddl) or made:
            changes.append(f"folder {folder}")
    for name in ("agent.toml", "root.pem"):
        path = place.data / name
        if path.is_file() and access.allow(path, access.settings_sddl()):
            changes.append(f"rights of {path}")
    return changes


def _launcher_differs(place: Place, version: str) -> bool:
    there = Path(place.layout.launcher) / MARK
    try:
        return bool(json.loads(there.read_bytes()) != _launcher_record(place, version))
    except (OSError, ValueError):
        return True


def _launcher_record(place: Place, version: str) -> dict[str, object]:
    try:
        about = json.loads((Path(place.layout.versions) / version / MARK).read_bytes())
        launcher = about["launcher"]
        return {"digest": str(launcher["digest"]), "files": [str(name) for name in launcher["files"]]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InstallError(f"{version}: its {MARK} can't be used ({error}); unpack the package again") from error


def _replace_launcher(place: Place, version: str) -> None:
    """Copy a release's launcher beside the releases; the former launcher goes once the new one is whole."""
    record, source = _launcher_record(place, version), Path(place.layout.versions) / version
    target = Path(place.layout.launcher)
    fresh, former = target.with_name("launcher.new"), target.with_name("launcher.old")
    for folder in (fresh, former):
        if folder.exists():
            _remove_tree(folder)
    for name in record["files"] if isinstance(record["files"], list) else []:
        copy = fresh / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, copy)
    (fresh / MARK).write_bytes(json.dumps(record).encode())
    if target.exists():
        _insist(lambda: target.rename(former), target)
    _insist(lambda: fresh.rename(target), target)
    if former.exists():
        _remove_tree(former)


def _choose(place: Place, version: str) -> bool:
    """Note the release as the one to run, and the commands as its; tell whether that changed anything."""
    path = Path(place.layout.chosen)
    try:
        before = Chosen.read(path)
    except VersionsError:
        before = None  # what can't be read is no choice
    chosen = versions.choose(version, before, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    command = _COMMAND.format(python=place.layout.python(version)).encode()
    changed = chosen != before
    for target, content in ((path, chosen.to_json()), (Path(place.layout.command), command)):
        if not target.exists() or target.read_bytes() != content:
            changed = True
            staged = target.with_name(f"{target.name}.new")
            staged.write_bytes(content)
            staged.replace(target)
    return changed


def _prune(place: Place) -> list[str]:
    chosen = Chosen.read(Path(place.layout.chosen))
    folder = Path(place.layout.versions)
    names = (
        [] if chosen is None else versions.superseded(chosen, (path.name for path in folder.iterdir() if path.is_dir()))
    )
    for name in names:
        (folder / name / MARK).unlink(missing_ok=True)  # no longer whole from here on
        _remove_tree(folder / name)
    return names


def _remove_tree(folder: Path) -> None:
    _insist(lambda: shutil.rmtree(folder), folder)


def _insist(work: Callable[[], object], path: Path) -> None:
    """Try again for a while: programs that have just ended, and scanners, hold files for moments.

    Raises:
        InstallError: it still can't be done.
    """
    for attempt in range(_TRIES):
        try:
            work()
        except FileNotFoundError:
            return
        except OSError as error:
            if attempt == _TRIES - 1:
                raise InstallError(
                    f"{error.filename or path}: {error.strerror}; close what uses it, and try again"
                ) from error
            time.sleep(_PAUSE)
        else:
            return
