"""Every PowerShell script of the project is one: no PowerShell runs here, so a parser looks at them."""

import subprocess
from pathlib import Path

import pytest
import tree_sitter
import tree_sitter_pwsh

ROOT = Path(__file__).parents[2]
PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_pwsh.language()))


def scripts() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "*.ps1", "*.ps1.j2"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return listed.stdout.split()


def errors(source: bytes) -> list[int]:
    """The lines that PowerShell's grammar doesn't have."""
    todo, found = [PARSER.parse(source.removeprefix(b"\xef\xbb\xbf")).root_node], []
    while todo:
        node = todo.pop()
        if node.type == "ERROR" or node.is_missing:
            found.append(node.start_point[0] + 1)
        else:
            todo += [child for child in node.children if child.has_error]
    return sorted(found)


@pytest.mark.parametrize("name", scripts())
def test_a_script_parses(name: str) -> None:
    assert errors((ROOT / name).read_bytes()) == []


@pytest.mark.parametrize("name", scripts())
def test_windows_powershell_reads_a_script_as_it_was_written(name: str) -> None:
    """Version 5.1 takes a file without a byte order mark for one in the system's own code page."""
    source = (ROOT / name).read_bytes()
    assert source.isascii() or source.startswith(b"\xef\xbb\xbf")


@pytest.mark.parametrize("broken", [b"if ($x { 1 }", b"function f { ", b"$a = @{ b = 1", b"foreach ($x in $y) 1 }"])
def test_the_parser_sees_what_is_broken(broken: bytes) -> None:
    assert errors(broken)
