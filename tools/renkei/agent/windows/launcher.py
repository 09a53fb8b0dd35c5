"""The Windows service: a small program that starts the release that is to run, and stays the same when that changes.

The service manager starts `launcher/python/python.exe -m renkei.agent.windows.launcher PROGRAMS DATA`. It lives in a
job object of its own, and what it starts is born into that: all of it dies with it, so that no second agent ever works
on the same state.
"""

import sys

if sys.platform != "win32":
    raise ImportError("renkei.agent.windows.launcher is for Windows")

import logging
import os
from collections.abc import Sequence
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, cast

import pywintypes
import servicemanager
import win32api
import win32job
import win32service
import win32serviceutil

from renkei.agent.windows.layout import SERVICE, UNDER_SERVICE, Programs
from renkei.agent.windows.relay import Relay
from renkei.agent.windows.supervision import Supervisor

log = logging.getLogger("renkei.launcher")

_LOG_BYTES, _LOG_FILES = 2 * 1024 * 1024, 5
_STOP_MILLISECONDS = 90_000
_SYSTEM = ("SystemRoot", "SystemDrive", "windir", "ComSpec", "TEMP", "TMP", "USERPROFILE", "APPDATA", "LOCALAPPDATA")
"""What a release gets of the service's environment: none of PYTHON*, no proxy, no PATH of others."""


def command(programs: Programs, version: str, *arguments: str) -> list[str]:
    """Return the command line of a release's `renkei-agent`."""
    return [str(programs.python(version)), "-X", "utf8", "-m", "renkei.cli.agent", *arguments]


def keep_log(folder: Path) -> None:
    """Write the log of launcher and release to files, so many and no more."""
    folder.mkdir(exist_ok=True)
    handler = RotatingFileHandler(folder / "agent.log", maxBytes=_LOG_BYTES, backupCount=_LOG_FILES, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


class AgentService(win32serviceutil.ServiceFramework):
    """What the service manager talks to."""

    _svc_name_ = SERVICE
    _svc_display_name_ = "Renkei agent"
    programs: Programs
    data: Path

    def __init__(self, arguments: Sequence[str]) -> None:
        """Take what the service manager gives."""
        super().__init__(arguments)
        environment = {name: os.environ[name] for name in _SYSTEM if name in os.environ}
        environment |= {UNDER_SERVICE: "1", "PATH": rf"{os.environ.get('SYSTEMROOT', '')}\System32"}
        environment |= {"RENKEI_AGENT_CONFIG": str(self.data / "agent.toml")}
        _confine()
        self._supervisor = Supervisor(
            programs=Path(self.programs.root),
            notes=self.data / "state" / "launcher.json",
            command=lambda version: command(self.programs, version, "serve"),
            environment=environment,
        )
        self._relay = Relay(lambda: command(self.programs, self._supervisor.running), environment)

    def SvcStop(self) -> None:  # noqa: N802 - pywin32's name
        """End what runs."""
        self.ReportServiceStatus(win32service.SERVICE_STOP_PENDING, waitHint=_STOP_MILLISECONDS)
        self._supervisor.stop()

    SvcShutdown = SvcStop

    def SvcDoRun(self) -> None:  # noqa: N802 - pywin32's name
        """Run until stopped; whatever goes wrong is in the log, and the service manager's recovery starts it anew."""
        try:
            (self.data / "state").mkdir(exist_ok=True)
            keep_log(self.data / "log")
            self._relay.start()
            self._supervisor.run()
            log.info("stopped")
        except BaseException:
            log.exception("the launcher can't go on")
            os._exit(1)  # without a report of its end the service manager counts it as a failure, and recovers


def main(arguments: Sequence[str]) -> None:
    """Be the service; only the service manager starts this."""
    programs, data = arguments
    AgentService.programs, AgentService.data = Programs(Path(programs)), Path(data)
    servicemanager.Initialize()
    servicemanager.PrepareToHostSingle(AgentService)
    cast("Any", servicemanager).StartServiceCtrlDispatcher()


def _confine() -> None:
    """Enter a job that kills all who are in it when its last handle closes; the only handle is this process's.

    Windows closes the handles of a process when it ends, however it does, and then ends what it started: children are
    born into the job, so none is missed, not even one that is being started at that moment. The job is nested where
    this process is in one already (Windows 8 and later).
    """
    job: Any = cast("Any", win32job).CreateJobObject(None, "")
    limits: Any = win32job.QueryInformationJobObject(job, win32job.JobObjectExtendedLimitInformation)
    limits["BasicLimitInformation"]["LimitFlags"] = win32job.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
    win32job.SetInformationJobObject(job, win32job.JobObjectExtendedLimitInformation, limits)
    win32job.AssignProcessToJobObject(job, win32api.GetCurrentProcess())
    # Python must not close it: this process would die with the job, before the service manager is told of its end
    job.Detach()


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except pywintypes.error as error:
        sys.exit(f"renkei.agent.windows.launcher: {error.strerror}; the service manager starts this, nobody else")
