"""What several tests of the way into the register need: residents, notices about them, a register system."""

import datetime as dt
import json
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from renkei.agent.home import Home
from renkei.agent.register import bridge
from renkei.agent.register.arriving import Arriving, arriving
from renkei.agent.register.share import FROM_REGISTER, MARKER, TO_REGISTER, prepare
from renkei.domain.layouts import read
from renkei.domain.notices import ImportResult, Notice, RegisterNotice, StatusNotice
from renkei.store.imports import Imports

DAY = dt.date(2026, 11, 20)
WANG = {"name": "WANG SHUILI", "birth_date": "1990-01-31", "sex": "女", "nationality": "中国"}
KIM = {"name": "KIM SUJI", "birth_date": "1985-05-05", "sex": "女", "nationality": "韓国"}


def status(number: int, /, **changes: Any) -> StatusNotice:
    """A notice about WANG, a mid-to-long-term resident."""
    fields: dict[str, Any] = {
        "number": f"S-{number:06d}",
        "municipality": "131041",
        "notified_on": DAY,
        "cause": "変更",
        "changed_items": "在留資格",
        "changed_on": DAY,
        "category": "中長期在留者",
        **WANG,
        "status": "留学",
        "period": "1年",
        "expires_on": dt.date(2027, 11, 20),
        "card_number": "AB12345678CD",
    }
    return StatusNotice(**(fields | changes))


def special(number: int, /, **changes: Any) -> StatusNotice:
    """A notice about KIM, a 特別永住者."""
    fields: dict[str, Any] = {
        "category": "特別永住者",
        **KIM,
        "changed_items": "特別永住者証明書番号",
        "status": None,
        "period": None,
        "expires_on": None,
        "card_number": None,
        "certificate_number": "GH87654321IJ",
    }
    return status(number, **(fields | changes))


def amended(number: int, /, **changes: Any) -> RegisterNotice:
    """A notice of the register about WANG: 職権修正 of her name."""
    fields: dict[str, Any] = {
        "number": f"T-{number:06d}",
        "municipality": "131041",
        "action": "修正",
        "cause": "職権修正",
        "processed_on": DAY,
        "category": "中長期在留者",
        **WANG,
        "address": "東京都新宿区歌舞伎町一丁目4番1号",
        "card_number": "AB12345678CD",
        "changed_items": "氏名",
    }
    return RegisterNotice(**(fields | changes))


def departing(number: int, day: dt.date, /, **changes: Any) -> RegisterNotice:
    """WANG moves out on a day (転出)."""
    move = {"action": "消除", "cause": "転出", "basis": "住基法24条", "filed_on": DAY, "departs_on": day}
    return amended(number, **{**move, "changed_items": None, **changes})


def bridged(offline: Any, folder: Path, kind: str = "folder") -> Home:
    """An agent whose bridge is prepared."""
    folder.mkdir(exist_ok=True)
    home: Home = offline.agent("131041", bridge={"kind": kind, "folder": folder})
    prepare(home)
    return home


def arrive(home: Home, notices: Sequence[Notice]) -> Arriving:
    """Let notices come in as a delivery notes them, and tend the bridge."""
    news = arriving(home, notices)
    home.spool._database.write(news.note)
    bridge.tend(home)
    return news


class Register:
    """A register system: it takes what is marked complete, and remembers the numbers in their order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.taken: list[str] = []

    def take(self) -> list[str]:
        """Take all files that are there; the numbers of their notices."""
        found = []
        for marker in sorted((self.folder / TO_REGISTER).glob(f"[!.]*{MARKER}")):
            said = json.loads(marker.read_text())
            path = marker.with_name(said["file"])
            contents = read(BytesIO(path.read_bytes()), [StatusNotice])
            notices, rejections = contents.notices, contents.rejections
            assert rejections == []
            assert len(notices) == said["notices"]
            found += [notice.number for notice in notices]
            marker.unlink()
            path.unlink()
        self.taken += found
        return found

    def write(self, name: str, content: bytes, marker: bytes = b"") -> None:
        """Write a file for the ministry, its marker last."""
        (self.folder / FROM_REGISTER / name).write_bytes(content)
        (self.folder / FROM_REGISTER / f"{name}{MARKER}").write_bytes(marker)


def numbers(*of: int) -> list[str]:
    return [f"S-{number:06d}" for number in of]


def outcome(home: Home, number: str, result: str = "取込済") -> None:
    """The register's word on a notice, as its file brings it."""
    failed = {"error_item": "氏名", "reason": "該当者なし"} if result == "エラー" else {}
    word = ImportResult(
        number=f"R-{number}", municipality=home.party, target=number, result=result, processed_on=DAY, **failed
    )
    home.spool._database.write(lambda connection: Imports.note_outcomes(connection, [word], "2026-11-26T00:00:00Z"))
