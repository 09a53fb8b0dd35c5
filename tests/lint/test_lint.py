"""Every linter of `./kit lint`, a test each."""

import subprocess

import pytest

from renkei.cli.kit import LINTERS, ROOT


@pytest.mark.parametrize("linter", LINTERS)
def test_the_linter_finds_nothing(linter: str) -> None:
    finished = subprocess.run(LINTERS[linter], cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
