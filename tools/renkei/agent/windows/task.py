r"""The task that installs updates as SYSTEM, which the agent's account may start and may not change.

`\Renkei\Updates` has no trigger: nobody but the agent starts it. It runs the chosen release's `renkei-agent
install-updates`, which believes the ministry's signature and nothing that the agent says.
"""

import sys

if sys.platform != "win32":
    raise ImportError("renkei.agent.windows.task is for Windows")

import os
import subprocess
import tempfile
from pathlib import Path
from xml.sax.saxutils import escape

from renkei.agent.windows.layout import TASK, service_sid

_RUN = "GRGX"
"""Look at the task and start it."""

_SECONDS, _SAID = 60.0, 500

_XML = """<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>Installs updates of Windows that the ministry ordered (renkei).</Description>
    <SecurityDescriptor>D:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;{run};;;{sid})</SecurityDescriptor>
  </RegistrationInfo>
  <Principals>
    <Principal id="Author">
      <UserId>S-1-5-18</UserId>
      <RunLevel>HighestAvailable</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <AllowStartOnDemand>true</AllowStartOnDemand>
    <ExecutionTimeLimit>PT4H</ExecutionTimeLimit>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>{command}</Command>
      <Arguments>install-updates --config "{config}"</Arguments>
    </Exec>
  </Actions>
</Task>
"""


class TaskError(Exception):
    """The task can't be registered or removed; the text says why."""


def ensure(command: Path, config: Path, noted: Path) -> bool:
    """Register the task, or find that it is as it should be; tell whether that changed anything.

    Args:
        command: the commands of the chosen release.
        config: the agent's settings.
        noted: the file that says what was registered; administrators write it.

    Raises:
        TaskError: the task scheduler refuses.
    """
    text = _XML.format(run=_RUN, sid=service_sid(), command=escape(str(command)), config=escape(str(config)))
    content = text.encode("utf-16")
    if noted.is_file() and noted.read_bytes() == content and _schtasks("/query", "/tn", TASK) == "":
        return False
    handle, name = tempfile.mkstemp(suffix=".xml")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        if trouble := _schtasks("/create", "/tn", TASK, "/xml", name, "/f"):
            raise TaskError(f"the task {TASK} can't be registered ({trouble}); be an administrator")
    finally:
        Path(name).unlink(missing_ok=True)
    noted.write_bytes(content)
    return True


def remove(noted: Path) -> bool:
    """Remove the task; tell whether there was one.

    Raises:
        TaskError: the task scheduler refuses.
    """
    if not noted.is_file():
        return False
    if trouble := _schtasks("/delete", "/tn", TASK, "/f"):
        raise TaskError(f"the task {TASK} can't be removed ({trouble}); be an administrator")
    noted.unlink()
    return True


def _schtasks(*arguments: str) -> str:
    """Call schtasks; return what it says when it fails, or nothing."""
    program = rf"{os.environ.get('SYSTEMROOT', '')}\System32\schtasks.exe"
    # into a file: a pipe would be held open by whatever Windows starts for it
    with tempfile.TemporaryFile() as output:
        try:
            done = subprocess.run(  # noqa: S603 - Windows' own program
                [program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        output.seek(0)
        said = output.read(_SAID).decode("utf-8", "replace").split()
    return "" if done.returncode == 0 else " ".join(said) or f"code {done.returncode}"
