import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from renkei.fleet.loader import load_fleet
from renkei.fleet.model import Fleet
from renkei.fleet.problems import FleetError, shown

ROOT = Path(__file__).parents[3]
INVENTORY = ROOT / "inventory"


@dataclass
class Draft:
    """A copy of the lab's files that a test spoils."""

    folder: Path

    def edit(self, name: str, old: str, new: str) -> None:
        file = self.folder / name
        text = file.read_text(encoding="utf-8")
        assert old in text, f"{name} has no {old!r}"
        file.write_text(text.replace(old, new, 1), encoding="utf-8")

    def add_databases(self, primary: str = "asp-hub", standby: str | None = "asp-hub-2") -> None:
        """Give the ASP a second machine."""
        chosen = f"  databases:\n    primary: {primary}\n" + (f"    standby: {standby}\n" if standby else "")
        self.edit("fleet.yml", "  outside:\n", f"{chosen}  outside:\n")

    def line(self, name: str, part: str) -> int:
        lines = (self.folder / name).read_text(encoding="utf-8").splitlines()
        return next(number for number, line in enumerate(lines, start=1) if part in line)

    def problems(self) -> list[str]:
        """What is wrong, as `file:line: …` with bare file names."""
        with pytest.raises(FleetError) as caught:
            load_fleet(self.folder)
        for problem in caught.value.problems:
            assert str(problem).startswith(f"{shown(problem.file)}:{problem.line}: ")
        return [f"{p.file.name}:{p.line}: {p.what}; {p.remedy}" for p in caught.value.problems]


@pytest.fixture
def draft(tmp_path: Path) -> Draft:
    folder = tmp_path / "lab"
    shutil.copytree(INVENTORY / "lab", folder)
    shutil.copytree(INVENTORY / "policy", tmp_path / "policy")
    shutil.copy(INVENTORY / "municipalities.csv", tmp_path)
    return Draft(folder)


@pytest.fixture(scope="session")
def lab() -> Fleet:
    return load_fleet(INVENTORY / "lab")


@pytest.fixture(scope="session")
def sample() -> Fleet:
    return load_fleet(INVENTORY / "sample")
