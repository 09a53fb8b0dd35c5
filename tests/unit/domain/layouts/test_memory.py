"""Files that are made to exhaust a reader: refused, or read, in bounded memory. Each runs in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.thorough

BASE = 256  # MiB of address space that the interpreter and its libraries take at most
READ = """
import json, resource
from renkei.domain.layouts import InvalidLayout, Record, open_reader
from renkei.domain.notices import TYPES
from renkei.domain.layouts.xsd import load_xsd
load_xsd(1), load_xsd(2)
{make}
resource.setrlimit(resource.RLIMIT_AS, ({limit} * 2**20,) * 2)
def memory(name):
    lines = open("/proc/self/status").read().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(name + ":")))
open("/proc/self/clear_refs", "w").write("5")  # from here on the peak is this reader's, not what the parent had
before = memory("VmRSS")
outcome = dict(rule=None, good=0, bad=0)
try:
    for each in open_reader(Pieces(), TYPES):
        outcome["good" if isinstance(each, Record) else "bad"] += 1
except InvalidLayout as error:
    outcome["rule"] = error.rule
outcome["grown"] = (memory("VmHWM") - before) / 1024
print(json.dumps(outcome))
"""
PIECES = """
class Pieces:
    head, body, tail, size = {head!r}, {body!r}, {tail!r}, {size}
    def __init__(self):
        self.parts, self.rest = self.make(), b""
    def make(self):
        yield self.head
        for _ in range(self.size // len(self.body)):
            yield self.body
        yield self.tail
    def read(self, count):
        while len(self.rest) < count and (part := next(self.parts, None)) is not None:
            self.rest += part
        piece, self.rest = self.rest[:count], self.rest[count:]
        return piece
"""
HUNDRED = 100 * 2**20
XML_HEAD = b'<notices xmlns="urn:renkei:notices:2">'
CSV_HEAD = "通知種別,通知番号,市区町村コード,照会区分,対象通知番号\r\n".encode()
INQUIRY = (
    "<inquiry><number>1</number><municipality>131041</municipality><kind>状態照会</kind><target>2</target></inquiry>"
).encode()
ROW = "照会,1,131041,状態照会,2\r\n".encode()
BAD_ROW = "照会,1,131042,他,2\r\n".encode()
DEEP = b'<!DOCTYPE a [<!ENTITY a "' + b"x" * 4000 + b'">' + b'<!ENTITY b "&a;&a;&a;&a;">' * 8


@pytest.mark.parametrize(
    ("head", "body", "tail", "rule"),
    [
        (b"", b"x" * 65536, b"", "header"),
        (b"", b"\0" * 65536, b"", "header"),
        (b"", b"\n" * 65536, b"", "header"),
        (CSV_HEAD, b"x" * 65536, b"", "size"),
        (CSV_HEAD, b"\n" * 65536, b"", "rows"),
        (CSV_HEAD, b'"' * 65536, b"", "size"),
        (CSV_HEAD, BAD_ROW * 1000, b"", "rows"),
        (b"<", b"x" * 65536, b"", "size"),
        (b"<a ", b"b='c' " * 10000, b"", "size"),
        (b"<!--", b" " * 65536, b"", "size"),
        (XML_HEAD, b" " * 65536, b"", "size"),
        (XML_HEAD, b"x" * 65536, b"", "size"),
        (XML_HEAD, b"<inquiry>" * 8000, b"", "syntax"),
        (XML_HEAD + b"<inquiry><number>", b"9" * 65536, b"", "size"),
        (XML_HEAD + b"<inquiry>", b"<number>1</number>" * 4000, b"", "size"),
        (XML_HEAD + b"<inquiry>", b"&lt;" * 16000, b"", "size"),
        (XML_HEAD, b"<inquiry/>" * 1000, b"</notices>", "rows"),
        (DEEP, b"<!ENTITY c '&b;&b;&b;&b;&b;'>" * 2000, b"]><a>&c;</a>", "dtd"),
    ],
    ids=[
        "letters",
        "nulls",
        "lines",
        "line",
        "blank-lines",
        "quotes",
        "bad-rows",
        "tag",
        "attributes",
        "comment",
        "blanks",
        "loose",
        "nesting",
        "value",
        "elements",
        "references",
        "notices",
        "bomb",
    ],
)
def test_a_hundred_megabytes_of_garbage_are_refused_in_bounded_memory(
    head: bytes, body: bytes, tail: bytes, rule: str
) -> None:
    outcome = read(PIECES.format(head=head, body=body, tail=tail, size=HUNDRED))
    assert outcome["rule"] == rule
    assert outcome["grown"] < 4, outcome


@pytest.mark.parametrize(
    ("head", "body", "tail"), [(CSV_HEAD, ROW, b""), (XML_HEAD, INQUIRY, b"</notices>")], ids=["csv", "xml"]
)
def test_a_full_file_is_read_piece_by_piece(head: bytes, body: bytes, tail: bytes) -> None:
    outcome = read(PIECES.format(head=head, body=body, tail=tail, size=30_000 * len(body)))
    assert (outcome["rule"], outcome["good"], outcome["bad"]) == (None, 30_000, 0)
    assert outcome["grown"] < 4, outcome


def read(make: str) -> dict[str, Any]:
    script = READ.format(make=make, limit=BASE + 128)
    done = subprocess.run(
        [sys.executable, "-"], input=script, check=False, capture_output=True, text=True, cwd=Path("/"), timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    outcome: dict[str, Any] = json.loads(done.stdout)
    return outcome
