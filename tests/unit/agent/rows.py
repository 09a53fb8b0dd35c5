"""Notices by number, for files that agents exchange."""

import datetime as dt
import random
from pathlib import Path

from renkei.domain.layouts import Layout, write
from renkei.domain.notices import Notice, ResidenceNotice, StatusNotice


def residence_notices(count: int, municipality: str = "131041", first: int = 1) -> list[Notice]:
    """Notices that don't compress well, so that a few thousand fill several parts."""
    letters = random.Random(first)  # noqa: S311  (test data)
    return [
        ResidenceNotice(
            number=f"N-{municipality}-{number:06d}",
            municipality=municipality,
            basis="入管法19条の7",
            filed_on=dt.date(2026, 11, 20),
            name=f"TEST PERSON {'ABCDEFGHIJ'[number % 10]}",
            kanji_name=None,
            birth_date="1990-01-31",
            sex="女",
            nationality="ベトナム",
            card_number=f"AB{number:08d}CD",
            settled_on=dt.date(2026, 11, 19),
            moved_on=None,
            address="".join(chr(0x4E00 + letters.getrandbits(13)) for _ in range(190)),
            previous_address=None,
        )
        for number in range(first, first + count)
    ]


def status_notices(count: int, municipality: str = "131041", first: int = 1) -> list[Notice]:
    return [
        StatusNotice(
            number=f"S-{municipality}-{number:06d}",
            municipality=municipality,
            notified_on=dt.date(2026, 11, 22),
            cause="変更",
            changed_items="氏名",
            changed_on=dt.date(2026, 11, 20),
            category="特別永住者",
            name="TEST PERSON",
            birth_date="1985-05-05",
            sex="男",
            nationality="韓国",
            certificate_number=f"CD{number:08d}EF",
        )
        for number in range(first, first + count)
    ]


def write_residence_csv(count: int, municipality: str = "131041", first: int = 1) -> bytes:
    return write(residence_notices(count, municipality, first), Layout())


def numbers(folder: Path) -> list[int]:
    """The numbers of the notices of all files of a folder, in the order of the stream."""
    if not folder.is_dir():
        return []
    lines = [line for path in sorted(folder.glob("*.csv")) for line in path.read_text().splitlines()[1:]]
    return [int(line.split(",")[1].rsplit("-", 1)[1]) for line in lines]
