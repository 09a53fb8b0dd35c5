"""A Windows that is updated: the agent's half, which may install nothing (`places` says how the halves meet).

By the endpoint's line Windows' own update source (WSUS) has the packages; where there is none they come by medium, and
DISM installs them. Either way the machine's build and its list of updates say what became of it.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from renkei.agent.home import now
from renkei.agent.updates import packages, tools
from renkei.agent.updates.machine import MachineError, Progress, Result, Survey, Work
from renkei.agent.updates.places import Doing, Job, JobAnswer, Places, Working, read, write
from renkei.agent.updates.tools import Tools
from renkei.exchange.clock import whole_seconds
from renkei.exchange.update_problems import say

BEGINS_WITHIN: Final = timedelta(minutes=3)
"""How long the privileged part may take from being called to its note that it works."""

FETCH_AGAIN: Final = timedelta(minutes=30)
"""After a download from the update source failed."""


@dataclass(slots=True)
class WindowsUpdate:
    """The machine that this agent runs on (`machine.Machine`).

    Attributes:
        tools: its programs.
        places: where the halves meet.
        from_source: whether Windows' own update source can be asked for what isn't here as a package.
    """

    tools: Tools
    places: Places
    from_source: bool
    _surveyed: Survey | None = None

    def survey(self) -> Survey:
        """Look at the machine.

        Raises:
            MachineError: it can't be asked.
        """
        self._surveyed = tools.survey(self.tools)
        return self._surveyed

    def fetch(self, work: Work) -> Progress:
        """See whether the packages are here; have the update source's downloaded."""
        if work.order.action == "uninstall":
            return Progress(done=True)
        missing = packages.lacking(self.places.packages, work.order.updates)
        if not missing:
            return Progress(done=True)
        if not self.from_source:
            names = ", ".join(update.file for update in missing)
            return Progress(problem=say("package-missing", file=names))
        answer = self._answer("fetch", work)
        if answer is not None and not answer.problem:
            return Progress(done=True)
        job = read(self.places.job, Job)
        asked = job.asked_at if job is not None and self._is_job(job, "fetch", work) else None
        if self.is_working(work) or (answer is not None and asked is not None and now() < asked + FETCH_AGAIN):
            return Progress(problem=answer.problem if answer else "")
        self._ask("fetch", work)
        return Progress(problem=answer.problem if answer else "")

    def start(self, work: Work) -> None:
        """Let the installation, or the removal, begin.

        Raises:
            MachineError: the privileged part can't be called.
        """
        self._ask("install", work)

    def is_working(self, work: Work) -> bool:
        """Whether the privileged part works, or was called just now and hasn't begun."""
        order = str(work.order.id)
        working = read(self.places.working, Working)
        boot = (self._surveyed or self.survey()).boot
        if working is not None and working.order == order and working.boot == boot and now() < working.until:
            return True
        job = read(self.places.job, Job)
        if job is None or job.order.encode() != work.envelope or job.doing == "restart":
            return False
        return self._answer(job.doing, work, job.number) is None and now() < job.asked_at + BEGINS_WITHIN

    def result(self, work: Work) -> Result | None:
        """What became of the installation."""
        answer = self._answer("install", work)
        return None if answer is None else Result(answer.problem)

    def end(self) -> None:
        """Remove the packages: their order has ended."""
        packages.keep_only(self.places.packages, [])

    def install_patterns(self) -> None:
        """Let the privileged part look for patterns that wait.

        Raises:
            MachineError: it can't be called.
        """
        self._begin()

    def restart(self, work: Work) -> None:
        """Have the machine restarted in a minute.

        Raises:
            MachineError: the privileged part can't be called.
        """
        self._ask("restart", work)

    def _answer(self, doing: Doing, work: Work, number: int | None = None) -> JobAnswer | None:
        answer = read(self.places.answer, JobAnswer)
        wanted = (doing, str(work.order.id), work.number if number is None else number)
        return answer if answer is not None and (answer.doing, answer.order, answer.number) == wanted else None

    @staticmethod
    def _is_job(job: Job, doing: Doing, work: Work) -> bool:
        return (job.doing, job.number, job.order.encode()) == (doing, work.number, work.envelope)

    def _ask(self, doing: Doing, work: Work) -> None:
        job = Job(
            doing=doing,
            number=work.number,
            order=work.envelope.decode(),
            permit=None if work.permit is None else work.permit.decode(),
            entries=work.entries,
            asked_at=whole_seconds(now()),
        )
        try:
            write(self.places.job, job)
        except OSError as error:
            raise MachineError(f"{self.places.job}: can't be written ({error.strerror}); check the disk") from error
        self._begin()

    def _begin(self) -> None:
        answer = tools.run(self.tools.begin)
        if answer.code:
            raise MachineError(f"the installer can't be called, code {answer.code}: {answer.tail}")
