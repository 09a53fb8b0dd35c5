"""The scripts that the plays of a wave run on Windows have models: whoever changes one looks at its model."""

from pathlib import Path

import pytest

from renkei.lab.windows.modules import patching
from renkei.lab.windows.modules.powershell import SCRIPTS, digest_of

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    "script", ["tools/renkei/agent/windows/Get-UpdateState.ps1", "ansible/playbooks/files/Test-Exchange.ps1"]
)
def test_a_script_of_the_plays_is_the_one_that_has_a_model(script: str) -> None:
    path = ROOT / script
    name, _ = SCRIPTS.get(digest_of(path.read_text(encoding="utf-8")), ("none", None))
    assert name == path.name, f"{path.name} was changed: look at its model in {patching.__name__}"
