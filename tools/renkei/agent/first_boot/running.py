"""The steps of a first boot, one after the other; a second run goes on where the first one ended.

1. check: the medium is this machine's image, signed, whole. Nothing was changed before this.
2. install: software, settings and trust anchor.
3. enrol: keys made on this machine, proven by the one-time code. The installed program does it, not this one.
4. exchange: the first one; on a link by medium it prepares the first export.
5. report: what was done, for who stands there and as a file.
"""

import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from renkei.agent.first_boot.installing import Installed, Place, install
from renkei.agent.first_boot.medium import Checked

MAX_ANSWER: Final = 64 * 1024
_PATIENCE: Final = 120.0
"""Seconds beyond its own waiting after which a program that doesn't answer is given up."""


class Step(StrEnum):
    """What is done, in this order."""

    CHECK = "check"
    INSTALL = "install"
    ENROL = "enrol"
    EXCHANGE = "exchange"


@dataclass(slots=True)
class Report:
    """What a first boot did; `code` is the exit code: 0, or that of the step that failed, whose word is `why`."""

    endpoint: str
    terminal: str
    release: str
    began_at: str
    done: list[str] = field(default_factory=list)
    generation: int | None = None
    failed: str = ""
    why: str = ""
    code: int = 0

    def to_json(self) -> bytes:
        """Write the report."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs the steps after the check; `tell` hears of each as it begins."""

    place: Place
    wait: float
    tell: Callable[[Step], None]

    def run(self, checked: Checked, code: str | None, began_at: str) -> Report:
        """Install, enrol, exchange.

        Args:
            checked: the medium.
            code: the one-time code of the sheet; None when an earlier run sent the request already.
            began_at: the time, for the report.

        Raises:
            OtherMachine, MediumRefused, PackageRefused, OSError: nothing could be installed.
        """
        manifest = checked.manifest
        report = Report(manifest.endpoint, manifest.terminal, manifest.release.version, began_at, [Step.CHECK])
        self.tell(Step.INSTALL)
        installed = install(checked, self.place)
        report.done.append(Step.INSTALL)
        enrol = ["enrol", f"--wait={self.wait:g}", "--json", *(["--code-file=-"] if code else [])]
        answer = self._step(report, Step.ENROL, installed, enrol, code)
        report.generation = answer.get("generation")
        if not report.failed:
            self._step(report, Step.EXCHANGE, installed, ["exchange", "--json"], None)
        return report

    def _step(
        self, report: Report, step: Step, installed: Installed, arguments: Sequence[str], given: str | None
    ) -> dict[str, Any]:
        """Call the installed program; the code goes to its standard input and nowhere else."""
        self.tell(step)
        command = [*installed.command, *arguments, f"--config={self.place.config}"]
        try:
            finished = subprocess.run(  # noqa: S603 - the program that was just installed, no shell
                command, input=given or "", capture_output=True, text=True, encoding="utf-8", errors="replace",
                timeout=self.wait + _PATIENCE, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            report.failed, report.why, report.code = step, "it didn't end in time; run this again", 1
            return {}
        if finished.returncode != 0:
            report.failed, report.code = step, finished.returncode
            report.why = finished.stderr.strip()[-1000:] or "it waits for the registration authority; run this again"
        else:
            report.done.append(step)
        return _answer(finished.stdout)


def _answer(text: str) -> dict[str, Any]:
    try:
        answer = json.loads(text[:MAX_ANSWER])
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def write_report(report: Report, path: Path) -> None:
    """Keep the report on the machine."""
    path.write_bytes(report.to_json())
