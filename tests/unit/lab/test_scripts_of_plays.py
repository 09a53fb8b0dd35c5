"""The scripts that plays run on Windows have models: whoever changes one looks at its model."""

from pathlib import Path

from renkei.lab.windows.modules.powershell import SCRIPTS, digest_of

ROOT = Path(__file__).parents[3]


def test_every_script_of_the_plays_has_a_model_of_its_very_text() -> None:
    """Those of roles and playbooks, and the agent's own by which a play looks at a machine."""
    scripts = [*ROOT.glob("roles/*/files/*.ps1"), *ROOT.glob("ansible/playbooks/files/*.ps1")]
    scripts.append(ROOT / "tools" / "renkei" / "agent" / "windows" / "Get-UpdateState.ps1")
    found = {path.name: SCRIPTS.get(digest_of(path.read_text(encoding="utf-8")), ("none",))[0] for path in scripts}
    assert found == {name: name for name in found}
    assert len(found) == len(SCRIPTS)
