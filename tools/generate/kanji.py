"""Make `tools/renkei/domain/kanji.table`: what 法務省告示第582号 says of every character, small enough to ship.

Source: npm `@mandel59/mojidata`, whose SQLite file holds 別表第四 (its 一, 異体字, and 二, 類字), which characters are
正字 in the ministry's own code (入管正字コード), and the ministry's private-use codes (入管外字コード). 正字 are

- every character with a 入管正字コード: JIS X 0213, JIS X 0212 and the 176 of 別表第一; where the code is that of a CJK
  compatibility ideograph (福 U+FA1B beside 福 U+798F), the code itself is the 正字;
- of JIS X 0221 附属書JA also what IBM brought into 通用日本文字集合, where it has no such code. 18 of these stand in
  別表第四 too, so the order of the rules matters;
- the letters and signs of JIS X 0201 and 0208 (基本日本文字集合): kana, 々, the separators of names.

The 14 characters that stay unless the register bears their second rank aren't in the package; they stand here.
Beside the table go its provenance and the characters of 通用规范汉字表 that the tests count.

    .venv/bin/python tools/generate/kanji.py

Needs npm and its registry (41 MB, once); the same source gives the same bytes.
"""

import hashlib
import json
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import zlib
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOMAIN = ROOT / "tools" / "renkei" / "domain"
STANDARD_CHARACTERS = ROOT / "tests" / "unit" / "domain" / "tghb.txt"
SOURCE = ("@mandel59/mojidata", "1.8.1", "d51b41cc0164211090757eb2f5e74cd343a1cae82061b14082c4f436891b87b4")
DATABASE = "package/dist/moji.db"

#: 正字 whose second rank the notice allows where the resident register or an earlier card bears it.
SECOND_RANKS = "从従丰豊宁寧达達巩鞏关関刘劉种種胡鬍姜薑娄婁荣栄栾欒蒙濛"
PRIVATE_USE = range(0xE000, 0xF900)
EXPECTED = {"nyukan_itaiji": (10_378, 8_203), "nyukan_ruiji": (12_078, 9_327)}


def fetch_database(folder: Path) -> sqlite3.Connection:
    """Download the npm package, check its digest, and open its database."""
    name, version, digest = SOURCE
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("npm is needed to fetch the source: install it and run again")
    command = [npm, "pack", "--silent", f"{name}@{version}", "--pack-destination", str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - fixed program and arguments
    archive = folder / f"{name.strip('@').replace('/', '-')}-{version}.tgz"
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != digest:
        sys.exit(f"{archive.name} has SHA-256 {found}, expected {digest}: look at what changed before you trust it")
    target = folder / "moji.db"
    with tarfile.open(archive) as package, target.open("wb") as file:
        member = package.extractfile(DATABASE)
        if member is None:
            sys.exit(f"{archive.name} has no {DATABASE}")
        shutil.copyfileobj(member, file)
    return sqlite3.connect(f"file:{target}?mode=ro", uri=True)


def seiji(database: sqlite3.Connection) -> set[str]:
    """Give all 正字, and the letters and signs that stay as they are."""
    kept = set()
    for character, code in database.execute(
        "SELECT 対応するUCS, 入管正字コード FROM mji WHERE 入管正字コード IS NOT NULL"
    ):
        kept.add(character)
        if int(code, 16) not in PRIVATE_USE:
            kept.add(chr(int(code, 16)))
    kept |= {row[0] for row in database.execute("SELECT UCS FROM unihan_each_kIBMJapan")}
    signs = [bytes([byte]) for byte in range(0x20, 0x7F)] + [bytes([0x8E, byte]) for byte in range(0xA1, 0xE0)]
    signs += [bytes([row, cell]) for row in range(0xA1, 0xA9) for cell in range(0xA1, 0xFF)]
    # 〓 is what a character without a target becomes, so it is no character of a name
    return (kept | {character for code in signs if (character := code.decode("euc_jp", "ignore"))}) - {"〓"}


def annex(database: sqlite3.Connection, table: str) -> dict[str, str]:
    """Give a part of 別表第四: character → its 正字 in rank order. A private-use code stands for itself."""
    rows = database.execute(
        f"SELECT 簡体字等の文字コード等, 正字のUCS, 順位 FROM {table} ORDER BY 簡体字等の文字コード等, 順位"  # noqa: S608 - a name of ours
    ).fetchall()
    found = {chr(int(code, 16)): "".join(row[1] for row in group) for code, group in groupby(rows, lambda row: row[0])}
    if (len(rows), len(found)) != EXPECTED[table]:
        sys.exit(f"{table} has {len(rows)} rows for {len(found)} characters, expected {EXPECTED[table]}")
    return found


def private_codes(database: sqlite3.Connection) -> dict[str, str]:
    """Give the ministry's private-use codes of 正字: code → character."""
    rows = database.execute("SELECT 入管外字コード, 対応するUCS FROM mji WHERE 入管外字コード IS NOT NULL")
    return {chr(int(code, 16)): character for code, character in rows if int(code, 16) in PRIVATE_USE}


def standardised_variants(database: sqlite3.Connection, known: set[str]) -> dict[str, str]:
    """Give the sequences that stand for a known compatibility ideograph: base and selector → ideograph."""
    rows = database.execute("SELECT SVS, CJKCI FROM svs_cjkci")
    return {sequence: ideograph for sequence, ideograph in rows if ideograph in known}


def flat(mapping: dict[str, str], length: int) -> str:
    """Write the entries whose value has this length, one after the other, in the order of their keys."""
    return "".join(key + value for key, value in sorted(mapping.items()) if len(value) == length)


def main() -> None:
    """Fetch, derive, check, write."""
    with tempfile.TemporaryDirectory() as temporary:
        database = fetch_database(Path(temporary))
        kept = seiji(database)
        itaiji, ruiji = annex(database, "nyukan_itaiji"), annex(database, "nyukan_ruiji")
        private = private_codes(database)
        variants = standardised_variants(database, kept | set(itaiji) | set(ruiji))
        levels = database.execute("SELECT 级, 规范字 FROM tghb ORDER BY 序号").fetchall()
        database.close()
    targets = {target for table in (itaiji, ruiji) for value in table.values() for target in value}
    if strangers := (targets | set(SECOND_RANKS)) - kept:
        sys.exit(f"targets that are no 正字: {' '.join(sorted(strangers))}")
    # the reader is renkei.domain.kanji: a line a table, entries of fixed length
    lines = ["".join(sorted(kept)), SECOND_RANKS]
    lines += [flat(table, length) for table in (itaiji, ruiji) for length in (1, 2)]
    lines += [flat(private, 1), flat(variants, 1)]
    packed = zlib.compress("\n".join(lines).encode(), 9)
    (DOMAIN / "kanji.table").write_bytes(packed)
    STANDARD_CHARACTERS.write_text(
        "".join("".join(row[1] for row in group) + "\n" for _, group in groupby(levels, lambda row: row[0])),
        encoding="utf-8",
    )
    name, version, digest = SOURCE
    record = {
        "made_by": "tools/generate/kanji.py",
        "source": {"registry": "npm", "package": name, "version": version, "sha256": digest},
        "rights": {
            "別表第四": "在留カード等に係る漢字氏名の表記等に関する告示 (法務省告示第582号): a notice, 著作権法13条2号",
            "入管正字コード, 入管外字コード": "MJ文字情報一覧表 © IPA, CC BY-SA 2.1 JP: only which characters have one",
            "kIBMJapan, standardised variants": "Unicode Character Database © Unicode, Inc., Unicode-3.0",
        },
        "sha256": hashlib.sha256(packed).hexdigest(),
        "kept": len(kept),
        "itaiji": len(itaiji),
        "ruiji": len(ruiji),
        "private_use_of_seiji": len(private),
        "standardised_variants": len(variants),
    }
    text = json.dumps(record, ensure_ascii=False, indent=2) + "\n"
    (DOMAIN / "kanji.source.json").write_text(text, encoding="utf-8")
    print(f"{len(kept):,} kept, {len(itaiji):,} 異体字, {len(ruiji):,} 類字: {len(packed):,} bytes")


if __name__ == "__main__":
    main()
