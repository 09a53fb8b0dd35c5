"""An answer's head and the beginning of its body go out by one write."""

import asyncio
from typing import Any

import pytest

from renkei.hub.protocol import _OneWrite

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


class Transport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.writes.append(data)

    def writelines(self, pieces: tuple[bytes, ...]) -> None:
        self.write(b"".join(pieces))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


@pytest.fixture
def transport() -> Transport:
    return Transport()


def one_write(transport: Transport) -> Any:
    return _OneWrite(transport)


def test_head_and_body_are_one_write(transport: Transport) -> None:
    line = one_write(transport)
    for _ in range(2):
        line.write(HEAD)
        line.write(b"ok")
    assert transport.writes == [HEAD + b"ok"] * 2


def test_further_pieces_go_as_they_come(transport: Transport) -> None:
    line = one_write(transport)
    for piece in (HEAD, b"o", b"k"):
        line.write(piece)
    assert transport.writes == [HEAD + b"o", b"k"]


def test_an_answer_without_a_body_goes_out(transport: Transport) -> None:
    line = one_write(transport)
    line.write(HEAD)
    line.write(b"")
    assert transport.writes == [HEAD]


def test_nothing_is_kept_back_from_who_waits_for_it(transport: Transport) -> None:
    line = one_write(transport)
    line.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert transport.writes == [b"HTTP/1.1 100 Continue\r\n\r\n"]


def test_a_head_goes_out_before_the_connection_is_closed(transport: Transport) -> None:
    line = one_write(transport)
    line.write(HEAD)
    line.close()
    assert transport.writes == [HEAD]
    assert line.is_closing()
