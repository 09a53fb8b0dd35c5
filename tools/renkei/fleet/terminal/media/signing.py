"""Has images signed by the registration authority: one process of its command, a line for a line.

    with Signer(["ssh", "moj-linkage", "renkei", "ministry", "authority", "sign-images"]) as signer:
        signature = signer.sign(request)

The authority's key never leaves its machine; what goes there and comes back is no secret.
"""

import json
import subprocess
from collections.abc import Sequence
from tempfile import TemporaryFile
from types import TracebackType
from typing import Final, Self

from renkei.exchange.errors import ExchangeError
from renkei.exchange.images import MAX_SIGNATURE, ImageRequest, read_signature
from renkei.fleet.terminal.media.building import MediaError

_PATIENCE: Final = 30.0
_MAX_SAID: Final = 2000


class Signer:
    """The authority's command, which runs as long as there is something to sign."""

    def __init__(self, command: Sequence[str]) -> None:
        """Name the command; it is started with the first image."""
        self._command = list(command)
        self._process: subprocess.Popen[str] | None = None
        self._said = TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - __exit__ closes it

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End the command."""
        if self._process is not None:
            self._end(self._process)
        self._said.close()

    def sign(self, request: ImageRequest) -> bytes:
        """Return the signature file of an image.

        Raises:
            MediaError: the command can't be run, the authority refuses, or it answers something else.
        """
        process = self._running()
        try:
            assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - both are pipes
            process.stdin.write(request.model_dump_json() + "\n")
            process.stdin.flush()
            line = process.stdout.readline(MAX_SIGNATURE + 1)
        except OSError:
            line = ""
        if not line:
            self._process = None
            raise MediaError(f"the authority's command ended: {self._end(process) or 'it said nothing'}")
        try:
            answer = json.loads(line)
            if isinstance(answer, dict) and "refused" in answer:
                raise MediaError(f"the authority refuses to sign for {request.terminal}: {answer['refused']}")
            return read_signature(line.strip().encode()).to_bytes()
        except (ValueError, ExchangeError) as error:
            raise MediaError(f"the authority's command answers something else than a signature: {error}") from error

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            pipe = subprocess.PIPE
            try:
                self._process = subprocess.Popen(  # noqa: S603 - the operator's own command, without a shell
                    self._command, stdin=pipe, stdout=pipe, stderr=self._said, text=True, encoding="utf-8"
                )
            except OSError as error:
                raise MediaError(
                    f"{self._command[0]}: can't be run ({error.strerror}); name the authority's command with --signer"
                ) from error
        return self._process

    def _end(self, process: subprocess.Popen[str]) -> str:
        """End a command by ending its input; return what it said on stderr."""
        try:
            process.communicate(timeout=_PATIENCE)
        except (subprocess.TimeoutExpired, OSError):
            process.kill()
            process.wait()
        self._said.seek(0)
        return self._said.read(_MAX_SAID).strip()
