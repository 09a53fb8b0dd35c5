"""A TLS front before a hub's socket, in this process: what it passes on can be cut."""

import asyncio
import re
import ssl
import threading
from pathlib import Path
from urllib.parse import quote

from renkei.client.connection import Credentials


class Front:
    """What nginx is in production: ends TLS 1.3, asks for a client certificate and hands it on.

    `cut_after` cuts the line after so many bytes in the direction that is named ("up" or "down"), once.
    """

    def __init__(self, socket: Path, server: Credentials, anchor: Path | None) -> None:
        self._socket = socket
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_3
        self.context.load_cert_chain(server.chain, server.key)
        if anchor is not None:
            self.context.verify_mode = ssl.CERT_REQUIRED
            self.context.load_verify_locations(anchor)
        self.cut_after: dict[str, int] = {}
        self.requests: list[str] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _start(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.context, limit=128 * 1024)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _stop(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0.01)  # aborted connections are closed on the loop's next turns

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        added = b"X-Client-Certificate: " + quote(ssl.DER_cert_to_PEM_cert(der)).encode() + b"\r\n" if der else b""
        upstream = None
        try:
            back, upstream = await asyncio.open_unix_connection(str(self._socket))
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                line, _, fields = head.partition(b"\r\n")
                self.requests.append(line.decode())
                upstream.write(line + b"\r\n" + added + fields)
                await self._pass_on("up", reader, upstream, length(fields))
                head = await back.readuntil(b"\r\n\r\n")
                writer.write(head)
                await self._pass_on("down", back, writer, length(head))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            for end in (upstream, writer):
                if end is not None:
                    end.transport.abort()

    async def _pass_on(
        self, way: str, source: asyncio.StreamReader, sink: asyncio.StreamWriter, remaining: int
    ) -> None:
        while remaining:
            chunk = await source.read(min(remaining, 16 * 1024))
            if not chunk:
                raise ConnectionResetError
            if way in self.cut_after:
                self.cut_after[way] -= len(chunk)
                if self.cut_after[way] < 0:
                    del self.cut_after[way]
                    raise ConnectionResetError
            remaining -= len(chunk)
            sink.write(chunk)
            await sink.drain()


def length(fields: bytes) -> int:
    """The length of a body; every body here has one."""
    found = re.search(rb"(?im)^content-length: *(\d+)", fields)
    return int(found[1]) if found else 0
