r"""Commands of administrators, carried out by the service: its account alone opens the keys and the state.

`renkei-agent status`, typed by an administrator, sends its arguments and its standard input through a named pipe. The
launcher runs the same command as a child of its own, under the service's account, and sends back what it prints and
its exit code. On Linux root simply becomes the agent's user; Windows lets nobody become a virtual account.

Who may: the pipe's DACL lets in administrators and SYSTEM, of this machine only. Who answers: the client asks for a
server that is the service's own process, and lends it no more than its identity.

    request    {"arguments": ["status", "--json"], "input": BASE64}\n
    answer     {"out": BASE64}\n or {"error": BASE64}\n, any number, then {"code": 0}\n
"""

import sys

if sys.platform != "win32":
    raise ImportError("renkei.agent.windows.relay is for Windows")

import base64
import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import IO, cast

import pywintypes
import win32con
import win32file
import win32pipe
import win32security
import win32service
import winerror

from renkei.agent.windows import layout

REQUEST_LIMIT = 1024 * 1024
_ANSWER_LIMIT = 256 * 1024
_CHUNK = 16 * 1024
_INSTANCES = 8
_WAIT_MILLISECONDS = 10_000
_NOT_HERE = 3
"""The commands' exit code for what can't be reached."""

_SECURITY_SQOS_PRESENT, _SECURITY_IDENTIFICATION = 0x00100000, 0x00010000
_NEVER = {"serve", "service"}

Send = Callable[[Mapping[str, object]], None]


class PipeError(Exception):
    """What came through the pipe isn't in its form."""


def ask(arguments: Sequence[str]) -> int:
    """Have the service carry out a command; print what it prints.

    Args:
        arguments: of `renkei-agent`; standard input goes along where it isn't a keyboard.

    Returns:
        The command's exit code; 3 where the service doesn't run.
    """
    given = b"" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.buffer.read(REQUEST_LIMIT // 2)
    try:
        pipe = _connect()
    except (pywintypes.error, PipeError) as error:
        said = error.strerror if isinstance(error, pywintypes.error) else str(error)
        print(
            f"renkei-agent: the service can't be asked ({said}); start it (net start {layout.SERVICE}), and call "
            "this as an administrator",
            file=sys.stderr,
        )
        return _NOT_HERE
    with closing(_Lines(pipe)) as lines:
        lines.send({"arguments": list(arguments), "input": base64.b64encode(given).decode()})
        for answer in lines.receive(_ANSWER_LIMIT):
            match answer:
                case {"out": str(text)}:
                    _print(sys.stdout, text)
                case {"error": str(text)}:
                    _print(sys.stderr, text)
                case {"code": int(code)}:
                    return code
    print("renkei-agent: the service ended in the middle of the command; see its log", file=sys.stderr)
    return _NOT_HERE


class Relay:
    """Takes commands as long as the launcher lives."""

    def __init__(self, command: Callable[[], Sequence[str]], environment: Mapping[str, str]) -> None:
        """Prepare to take commands.

        Args:
            command: gives the program that carries them out, in the version that runs now.
            environment: of that program.
        """
        self._command = command
        self._environment = dict(environment)

    def start(self) -> None:
        """Take commands in a thread.

        Raises:
            pywintypes.error: the pipe is there already: another process has its name.
        """
        first = _make_pipe(win32pipe.FILE_FLAG_FIRST_PIPE_INSTANCE)
        threading.Thread(target=self._take, args=(first,), name="relay", daemon=True).start()

    def _take(self, pipe: int) -> None:
        while True:
            try:
                win32pipe.ConnectNamedPipe(pipe)
            except pywintypes.error as error:
                if error.winerror != winerror.ERROR_PIPE_CONNECTED:
                    win32file.CloseHandle(pipe)
                    pipe = _make_pipe()
                    continue
            threading.Thread(target=self._serve, args=(pipe,), name="command", daemon=True).start()
            pipe = _make_pipe()

    def _serve(self, pipe: int) -> None:
        with closing(_Lines(pipe)) as lines:
            try:
                request = next(lines.receive(REQUEST_LIMIT), None)
                match request:
                    case {"arguments": list(arguments), "input": str(given)} if arguments and all(
                        isinstance(each, str) for each in arguments
                    ):
                        code = self._carry_out(arguments, base64.b64decode(given, validate=True), lines.send)
                        lines.send({"code": code})
            except (pywintypes.error, PipeError, ValueError):
                return  # who asked has gone, or is no renkei-agent: there is nobody to tell

    def _carry_out(self, arguments: Sequence[str], given: bytes, send: Send) -> int:
        if arguments[0] in _NEVER:
            send({"error": base64.b64encode(f"renkei-agent: {arguments[0]} isn't for the service\n".encode()).decode()})
            return 2
        with subprocess.Popen(  # noqa: S603 - our own program, no shell
            [*self._command(), *arguments],
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            creationflags=subprocess.CREATE_NO_WINDOW,
        ) as child:
            if child.stdin is None or child.stdout is None or child.stderr is None:
                raise PipeError("a child without pipes")
            errors = threading.Thread(target=_pass_on, args=("error", child.stderr, send, child), daemon=True)
            errors.start()
            feeder = threading.Thread(target=_feed, args=(child.stdin, given), daemon=True)
            feeder.start()
            _pass_on("out", child.stdout, send, child)
            errors.join()
            return child.wait()


class _Lines:
    """JSON documents, a line each, through a pipe."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._writing = threading.Lock()

    def send(self, document: Mapping[str, object]) -> None:
        with self._writing:
            win32file.WriteFile(self._pipe, json.dumps(document).encode() + b"\n")

    def receive(self, limit: int) -> Iterator[object]:
        """Documents until the other side closes.

        Raises:
            PipeError: a line longer than `limit` bytes.
        """
        rest = b""
        while True:
            line, end, rest_after = rest.partition(b"\n")
            if end:
                rest = rest_after
                yield json.loads(line)
                continue
            if len(rest) > limit:
                raise PipeError(f"a line of more than {limit} bytes")
            try:
                rest += win32file.ReadFile(self._pipe, _CHUNK)[1]
            except pywintypes.error:
                return

    def close(self) -> None:
        """Let the other side read to the end, then close."""
        try:
            win32file.FlushFileBuffers(self._pipe)
        except pywintypes.error:
            pass
        finally:
            win32file.CloseHandle(self._pipe)


def _make_pipe(flag: int = 0) -> int:
    attributes = pywintypes.SECURITY_ATTRIBUTES()
    attributes.SECURITY_DESCRIPTOR = win32security.ConvertStringSecurityDescriptorToSecurityDescriptor(
        f"D:P(A;;FA;;;SY)(A;;GRGW;;;BA)(A;;FA;;;{layout.service_sid()})", win32security.SDDL_REVISION_1
    )
    return win32pipe.CreateNamedPipe(
        layout.PIPE,
        win32con.PIPE_ACCESS_DUPLEX | flag,
        win32con.PIPE_TYPE_BYTE
        | win32con.PIPE_READMODE_BYTE
        | win32con.PIPE_WAIT
        | win32pipe.PIPE_REJECT_REMOTE_CLIENTS,
        _INSTANCES,
        _CHUNK,
        _CHUNK,
        0,
        attributes,
    )


def _connect() -> int:
    """Open the pipe and see that it is the service that answers."""
    win32pipe.WaitNamedPipe(layout.PIPE, _WAIT_MILLISECONDS)
    handle = win32file.CreateFile(
        layout.PIPE,
        win32con.GENERIC_READ | win32con.GENERIC_WRITE,
        0,
        None,
        win32con.OPEN_EXISTING,
        _SECURITY_SQOS_PRESENT | _SECURITY_IDENTIFICATION,
        None,
    )
    pipe = int(handle.Detach())
    server, expected = win32pipe.GetNamedPipeServerProcessId(pipe), _service_process()
    if server != expected:
        win32file.CloseHandle(pipe)
        raise PipeError(f"process {server} has its pipe, the service is {expected}: tell the ministry's support")
    return pipe


def _service_process() -> int:
    manager = win32service.OpenSCManager(None, None, win32service.SC_MANAGER_CONNECT)
    try:
        service = win32service.OpenService(manager, layout.SERVICE, win32service.SERVICE_QUERY_STATUS)
        try:
            status = cast("dict[str, int]", win32service.QueryServiceStatusEx(service))  # as it is; the stubs err
            return status["ProcessId"]
        finally:
            win32service.CloseServiceHandle(service)
    finally:
        win32service.CloseServiceHandle(manager)


def _feed(stdin: IO[bytes], given: bytes) -> None:
    try:
        with stdin:
            stdin.write(given)
    except OSError:
        return  # the command didn't want it


def _pass_on(kind: str, stream: IO[bytes], send: Send, child: subprocess.Popen[bytes]) -> None:
    try:
        while chunk := os.read(stream.fileno(), _CHUNK):
            send({kind: base64.b64encode(chunk).decode()})
    except pywintypes.error:
        child.kill()  # as Ctrl-C would: whoever asked has gone, and a command may end anywhere


def _print(stream: IO[str], text: str) -> None:
    stream.write(base64.b64decode(text).decode("utf-8", "replace"))
    stream.flush()
