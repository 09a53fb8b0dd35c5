"""Remote shells of one host: WinRS commands (pywinrm) and PowerShell runspaces (pypsrp, MS-PSRP by psrpcore)."""

import asyncio
import base64
import re
import uuid
from dataclasses import dataclass, field
from typing import Any, Final

import psrpcore
from psrpcore.types import ErrorCategoryInfo, ErrorRecord, HostMethodIdentifier, NETException

from renkei.lab.windows import wsman
from renkei.lab.windows.engine import Behaviour, Output, run
from renkei.lab.windows.host import Host
from renkei.lab.windows.wsman import Fault, Request

MAX_SHELLS: Final = 30
"""A host's own default for MaxShellsPerUser."""
_MAX_INPUT: Final = 64 * 1024 * 1024
_MAX_COMMANDS: Final = 25
_ENCODED: Final = re.compile(r"-EncodedCommand\s+(\S+)", re.IGNORECASE)
_SECONDS: Final = re.compile(r"PT(\d+(?:\.\d+)?)S")
_LONGEST_WAIT: Final = 60.0


@dataclass(slots=True)
class _Command:
    script: str = ""
    piped: list[bytes] = field(default_factory=list)
    size: int = 0
    output: Output | None = None
    pipeline: psrpcore.ServerPipeline | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class _Shell:
    resource: str
    commands: dict[str, _Command] = field(default_factory=dict)
    pool: psrpcore.ServerRunspacePool | None = None


class Shells:
    """The shells that are open on one host."""

    def __init__(self, host: Host, behaviour: Behaviour) -> None:
        """Open none."""
        self._host = host
        self._behaviour = behaviour
        self._shells: dict[str, _Shell] = {}

    def __len__(self) -> int:
        """Return how many shells are open."""
        return len(self._shells)

    def close(self) -> None:
        """Forget all shells, as a reboot does."""
        self._shells.clear()

    async def answer(self, request: Request) -> bytes:
        """Return the response to a request.

        Raises:
            Fault: what a host says to one that it can't fulfil.
        """
        if request.operation == "Create":
            return self._create(request)
        shell = self._shells.get(request.shell_id)
        if shell is None:
            raise Fault(wsman.SHELL_NOT_FOUND, "The WS-Management service cannot find the shell that was requested.")
        match request.operation:
            case "Delete":
                del self._shells[request.shell_id]
                return wsman.response(request, "")
            case "Command":
                return self._command(request, shell)
            case "Send":
                return self._send(request, shell)
            case "Receive":
                return await self._receive(request, shell)
            case "Signal":
                shell.commands.pop(request.attribute("Signal", "CommandId").upper(), None)
                return wsman.response(request, "<rsp:SignalResponse/>")
        raise Fault(wsman.UNSUPPORTED, f"The action {request.operation} is not supported by the service.")

    def _create(self, request: Request) -> bytes:
        if len(self._shells) >= MAX_SHELLS:
            raise Fault(
                wsman.QUOTA, f"The maximum number of concurrent shells for this user ({MAX_SHELLS}) is exceeded."
            )
        shell_id = request.attribute("Shell", "ShellId").upper() or str(uuid.uuid4()).upper()
        shell = _Shell(f"{wsman.SHELL}/cmd")
        if request.resource.startswith(wsman.POWERSHELL):
            shell = _Shell(request.resource, pool=psrpcore.ServerRunspacePool())
            self._feed(shell, request.base64("creationXml"))
        self._shells[shell_id] = shell
        return wsman.created(request, shell_id, shell.resource)

    def _command(self, request: Request, shell: _Shell) -> bytes:
        if len(shell.commands) >= _MAX_COMMANDS:
            raise Fault(wsman.QUOTA, f"The maximum number of concurrent operations ({_MAX_COMMANDS}) is exceeded.")
        command_id = request.attribute("CommandLine", "CommandId").upper() or str(uuid.uuid4()).upper()
        command = shell.commands[command_id] = _Command()
        if shell.pool is not None:
            command.pipeline = psrpcore.ServerPipeline(shell.pool, uuid.UUID(command_id))
            self._feed(shell, request.base64("Arguments"), command, command_id)
        else:
            arguments = " ".join(each.text or "" for each in request.body.iter("{*}Arguments"))
            encoded = _ENCODED.search(arguments)
            line = f"{request.text('Command')} {arguments}"
            command.script = base64.b64decode(encoded[1]).decode("utf-16-le") if encoded else line
            if request.options.get("WINRS_CONSOLEMODE_STDIN", "").upper() == "TRUE":
                self._end(command)  # nothing will be piped into it
        body = f"<rsp:CommandResponse><rsp:CommandId>{command_id}</rsp:CommandId></rsp:CommandResponse>"
        return wsman.response(request, body)

    def _send(self, request: Request, shell: _Shell) -> bytes:
        for stream in request.body.iter("{*}Stream"):
            command_id = stream.get("CommandId", "").upper()
            command = shell.commands.get(command_id)
            content = base64.b64decode(stream.text or "")
            if shell.pool is not None:
                self._feed(shell, content, command, command_id)
            elif command is not None:
                self._keep(command, content)
                if stream.get("End", "").lower() == "true":
                    self._end(command)
        return wsman.response(request, "<rsp:SendResponse/>")

    async def _receive(self, request: Request, shell: _Shell) -> bytes:
        command_id = request.attribute("DesiredStream", "CommandId").upper()
        command = shell.commands.get(command_id)
        if shell.pool is not None:
            return await self._receive_objects(request, shell, command, command_id)
        if command is None:
            raise Fault(wsman.SHELL_NOT_FOUND, f"The command {command_id} was not found in the shell.")
        await _wait(command, request)
        output = command.output or Output()
        pieces = "".join(
            wsman.stream(name, text.encode(), command_id)
            for name, text in (("stdout", output.text), ("stderr", output.error))
            if text
        )
        state = wsman.done(command_id, output.code)
        return wsman.response(request, f"<rsp:ReceiveResponse>{pieces}{state}</rsp:ReceiveResponse>")

    async def _receive_objects(
        self, request: Request, shell: _Shell, command: _Command | None, command_id: str
    ) -> bytes:
        pieces, state = _drain(shell, command_id), ""
        if not pieces and command is not None:
            await _wait(command, request)
            pieces = _drain(shell, command_id)
        if command is not None and command.ended.is_set():
            state = wsman.done(command_id, 0)
        if not pieces and not state:
            raise _timed_out()
        return wsman.response(request, f"<rsp:ReceiveResponse>{pieces}{state}</rsp:ReceiveResponse>")

    def _feed(self, shell: _Shell, content: bytes, command: _Command | None = None, command_id: str = "") -> None:
        """Hand fragments to the runspace, and do what they come to."""
        pool = shell.pool
        if pool is None:
            return
        which = uuid.UUID(command_id) if command_id else None
        pool.receive_data(psrpcore.PSRPPayload(content, psrpcore.StreamType.default, which))
        while (event := pool.next_event()) is not None:
            if command is None or command.pipeline is None:
                continue
            if isinstance(event, psrpcore.CreatePipelineEvent):
                metadata: Any = command.pipeline.metadata
                command.script = metadata.commands[0].command_text if metadata.commands else ""
                command.pipeline.start()
                if metadata.no_input:
                    self._end(command)
            elif isinstance(event, psrpcore.PipelineInputEvent):
                for each in event.data if isinstance(event.data, list) else [event.data]:
                    self._keep(command, f"{each}\n".encode())
            elif isinstance(event, psrpcore.EndOfPipelineInputEvent):
                self._end(command)

    def _keep(self, command: _Command, content: bytes) -> None:
        command.size += len(content)
        if command.size > _MAX_INPUT:
            raise Fault(wsman.QUOTA, f"The input of a command is limited to {_MAX_INPUT} bytes.")
        command.piped.append(content)

    def _end(self, command: _Command) -> None:
        """Run a command whose input is complete."""
        piped = b"".join(command.piped).decode()
        command.piped.clear()
        output = command.output = run(self._host, self._behaviour, command.script, piped)
        if command.pipeline is not None:
            for line in output.lines:
                command.pipeline.write_output(line)
            if output.error:
                command.pipeline.write_error(_error_record(output.error))
            if output.code:  # this call to the client's host is how Ansible learns the exit code
                command.pipeline.host_call(HostMethodIdentifier.SetShouldExit, [output.code])
            command.pipeline.complete()
        command.ended.set()


async def _wait(command: _Command, request: Request) -> None:
    """Wait for a command's end as long as the client's operation may take."""
    seconds = _SECONDS.fullmatch(request.timeout)
    limit = min(float(seconds[1]) if seconds else _LONGEST_WAIT, _LONGEST_WAIT)
    try:
        async with asyncio.timeout(limit):
            await command.ended.wait()
    except TimeoutError:
        raise _timed_out() from None


def _timed_out() -> Fault:
    return Fault(
        wsman.OPERATION_TIMEOUT,
        "The WS-Management service cannot complete the operation within the time specified in OperationTimeout.",
    )


def _drain(shell: _Shell, command_id: str) -> str:
    pieces = ""
    while shell.pool is not None and (payload := shell.pool.data_to_send()) is not None:
        pieces += wsman.stream("stdout", bytes(payload.data), command_id)
    return pieces


def _error_record(text: str) -> Any:  # noqa: ANN401 - psrpcore's own
    return ErrorRecord(exception=NETException(message=text), category_info=ErrorCategoryInfo())
