"""Train the zstd dictionary of version 2 of the canonical encoding, on made-up notices and nothing else.

    .venv/bin/python tools/generate/dictionary.py

A dictionary belongs to its version for ever: what was compressed with it can only be read with it. So this is run once
a version; its output is committed with its provenance beside it, and a test knows its digest. The seeds begin at
`FIRST_SEED` and the municipalities are those of `PREFECTURES`; benches and tests measure others.
"""

import csv
import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from random import Random

import zstandard

from renkei.domain.notices import CardIssueNotice, ImportResult, Inquiry, Notice, RegisterNotice, ResidenceNotice
from renkei.exchange.encoding import second
from renkei.ministry.simulator import residence_notices, status_notices

ROOT = Path(__file__).resolve().parents[2]
MUNICIPALITIES = ROOT / "inventory" / "municipalities.csv"
TARGET = ROOT / "tools" / "renkei" / "exchange" / "encoding" / second.DICTIONARY
SIZE = 8 * 1024
FIRST_SEED = 40_000
SAMPLES = 1500
PREFECTURES = ("01", "04", "11", "14", "22", "23", "26", "27", "28", "34", "40", "47")
"""Not 13, of which the benches are."""
COUNTS = (1, 1, 2, 3, 5, 8, 12, 20, 40)
WITH_ORIGINALS = 0.5
FIRST_DAY = date(2026, 7, 1)


def main() -> None:
    """Train and write, the provenance too."""
    samples = list(parcels())
    bodies = [b"".join(second.to_pieces(notices)) for notices in samples]
    trained = zstandard.train_dictionary(SIZE, bodies, level=19).as_bytes()
    TARGET.write_bytes(trained)
    provenance = {
        "made_by": "tools/generate/dictionary.py",
        "trained_on": "notices of renkei.ministry.simulator; nobody in them exists",
        "parcels": len(samples),
        "notices": sum(map(len, samples)),
        "seeds": [FIRST_SEED, FIRST_SEED + SAMPLES - 1],
        "prefectures": PREFECTURES,
        "zstandard": zstandard.__version__,
        "sha256": hashlib.sha256(trained).hexdigest(),
    }
    TARGET.with_suffix(".json").write_text(json.dumps(provenance, indent=2) + "\n", encoding="utf-8")


def parcels() -> Iterator[Sequence[Notice]]:
    """Make the notices of parcels as small as those of a day are, of all types."""
    random = Random("dictionary")  # noqa: S311 - made-up people need no secrecy
    with MUNICIPALITIES.open(encoding="utf-8") as file:
        places = [row for row in csv.DictReader(file) if row["code"][:2] in PREFECTURES]
    for number in range(SAMPLES):
        place = random.choice(places)
        day = FIRST_DAY + timedelta(days=random.randrange(365))
        count, seed = random.choice(COUNTS), FIRST_SEED + number
        originals = random.random() < WITH_ORIGINALS
        where = place["prefecture"] + place["name"]
        filed = residence_notices(place["code"], count, seed, day, where, originals=originals)
        yield filed
        yield status_notices([place["code"]], count, seed, day, originals=originals)
        if number % 3 == 0:
            yield [_register(notice) for notice in filed if notice.previous_address] or filed
            yield [_card(notice) for notice in filed]
            yield [_result(notice) for notice in filed]
            yield [_inquiry(notice) for notice in filed[:2]]


def _register(notice: ResidenceNotice) -> RegisterNotice:
    """The record that a municipality keeps of somebody who moved in or within."""
    within = notice.basis == "住基法23条"
    return RegisterNotice(
        number=notice.number.replace("R", "T"),
        municipality=notice.municipality,
        action="修正" if within else "記載",
        cause="転居" if within else "転入",
        processed_on=notice.filed_on,
        category="中長期在留者",
        name=notice.name,
        kanji_name=notice.kanji_name,
        birth_date=notice.birth_date,
        sex=notice.sex,
        nationality=notice.nationality,
        address=notice.address,
        card_number=notice.card_number,
        changed_items="住所" if within else None,
        previous_address=notice.previous_address if within else None,
        basis="住基法23条" if within else "住基法22条",
        filed_on=notice.filed_on,
    )


def _card(notice: ResidenceNotice) -> CardIssueNotice:
    return CardIssueNotice(
        number=notice.number.replace("R", "C"),
        municipality=notice.municipality,
        issued_on=notice.filed_on,
        card_number=notice.card_number,
    )


def _result(notice: ResidenceNotice) -> ImportResult:
    return ImportResult(
        number=notice.number.replace("R", "E"),
        municipality=notice.municipality,
        target=notice.number,
        result="取込済",
        processed_on=notice.filed_on,
    )


def _inquiry(notice: ResidenceNotice) -> Inquiry:
    return Inquiry(
        number=notice.number.replace("R", "Q"),
        municipality=notice.municipality,
        kind="状態照会",
        target=notice.number,
    )


if __name__ == "__main__":
    main()
