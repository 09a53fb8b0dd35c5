"""The launcher's work: start the release that is to run, watch it, start it again, fall back (`renkei.agent.versions`).

It knows nothing of the service manager (`launcher` does), so that it can be tried anywhere. The release is a child
process: `READY=1` on its standard output says that it serves, the end of its standard input says that it must end, and
what it writes to standard error is the log.
"""

import logging
import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from renkei.agent import versions
from renkei.agent.versions import Chosen, Trial, VersionsError

log = logging.getLogger("renkei.launcher")
_agent = logging.getLogger("renkei.release")

_STOP_SECONDS = 60.0
_READY = "READY=1"
_LINE = 8 * 1024
_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds; see `renkei.agent.versions`."""

    ready: float = versions.READY_SECONDS
    proven: float = versions.PROVEN_SECONDS
    first_pause: float = versions.FIRST_PAUSE
    longest_pause: float = versions.LONGEST_PAUSE


@dataclass(slots=True)
class Supervisor:
    """Runs releases until told to stop.

    Attributes:
        programs: the folder with `versions/` and `chosen.json`.
        notes: the file in which the trial of the chosen release is noted.
        command: the command line of a release, by its name.
        environment: of what it starts.
        timing: how long things may take.
    """

    programs: Path
    notes: Path
    command: Callable[[str], Sequence[str]]
    environment: Mapping[str, str]
    timing: Timing = field(default_factory=Timing)
    running: str = ""
    _stopping: threading.Event = field(default_factory=threading.Event)

    def stop(self) -> None:
        """Let the release end, then `run`; may be called from any thread."""
        self._stopping.set()

    def run(self) -> None:
        """Run releases until `stop`."""
        pause = self.timing.first_pause
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                self._run_once()
            except (VersionsError, OSError) as error:
                log.critical("%s", error)
            if time.monotonic() - began > self.timing.longest_pause:
                pause = self.timing.first_pause
            if self._stopping.wait(pause):
                return
            pause = min(pause * 2, self.timing.longest_pause)

    def _run_once(self) -> None:
        """Run a release until it ends; note how it fared."""
        chosen = Chosen.read(self.programs / "chosen.json")
        if chosen is None:
            raise VersionsError(f"{self.programs / 'chosen.json'}: isn't there; install the package again")
        trial = versions.trial_of(chosen, self._noted())
        name = versions.pick(chosen, trial, versions.whole(self.programs / "versions"))
        if name != chosen.version:
            log.critical("release %s isn't fit to run, %s runs in its place", chosen.version, name)
        log.info("starting release %s", name)
        self.running = name
        with subprocess.Popen(  # noqa: S603 - a release's own interpreter, from a folder that administrators write
            self.command(name),
            env=dict(self.environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        ) as child:
            proven = self._watch(child, on_trial=name == chosen.version and not trial.proven)
            code = self._end(child)
        if name == chosen.version:
            if proven:
                trial = trial.after_proof()
            elif not self._stopping.is_set():
                trial = trial.after_failure()
            self._note(trial)
        if not self._stopping.is_set():
            log.error("release %s ended with code %s", name, code)

    def _watch(self, child: "subprocess.Popen[bytes]", *, on_trial: bool) -> bool:
        """Wait until the release ends, is to end, or isn't ready in time; tell whether it proved itself."""
        ready = threading.Event()
        for stream, take in ((child.stdout, self._reader_of_state(ready)), (child.stderr, _agent.info)):
            threading.Thread(target=_read_lines, args=(stream, take), daemon=True).start()
        began, ready_at, proven = time.monotonic(), 0.0, False
        while child.poll() is None and not self._stopping.wait(min(_LOOK_SECONDS, self.timing.proven)):
            now = time.monotonic()
            if not ready.is_set():
                if now - began > self.timing.ready:
                    log.error("the release isn't ready after %.0f s", self.timing.ready)
                    return False
                continue
            ready_at = ready_at or now
            if on_trial and not proven and now - ready_at >= self.timing.proven:
                proven = True
                chosen = Chosen.read(self.programs / "chosen.json")
                if chosen is not None and chosen.version == self.running:
                    self._note(versions.trial_of(chosen, self._noted()).after_proof())
                log.info("release %s has proven itself", self.running)
        return proven

    def _end(self, child: "subprocess.Popen[bytes]") -> int:
        """Ask the release to end, and kill it when it doesn't."""
        if child.stdin is not None:
            with suppress(OSError):
                child.stdin.close()
        try:
            return child.wait(_STOP_SECONDS if self._stopping.is_set() else self.timing.first_pause)
        except subprocess.TimeoutExpired:
            log.warning("the release doesn't end and is killed")
            child.kill()
            return child.wait()

    def _noted(self) -> Trial | None:
        try:
            return Trial.read(self.notes)
        except VersionsError as error:
            log.warning("%s: forgotten", error)
            return None

    def _note(self, trial: Trial) -> None:
        staged = self.notes.with_name(f"{self.notes.name}.new")
        with staged.open("wb") as file:
            file.write(trial.to_json())
            file.flush()
            os.fsync(file.fileno())
        staged.replace(self.notes)

    @staticmethod
    def _reader_of_state(ready: threading.Event) -> Callable[[str], None]:
        def take(line: str) -> None:
            if line == _READY:
                ready.set()

        return take


def _read_lines(stream: IO[bytes] | None, take: Callable[[str], None]) -> None:
    """Hand on lines until the stream ends; overlong ones in pieces."""
    if stream is not None:
        with suppress(ValueError, OSError):  # closed at the other end, or by us
            while line := stream.readline(_LINE):
                take(line.decode("utf-8", "replace").rstrip())
