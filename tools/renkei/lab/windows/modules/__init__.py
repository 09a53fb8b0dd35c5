"""Models of Ansible's Windows modules: what each does to a host's state, and what it answers.

A model never sees arguments that the real module would refuse (`specs`). Models are ours, not the modules' own code:
they say what the documentation promises, in check mode too.
"""

from renkei.lab.windows.modules import (
    accounts,
    files,
    packages,
    patching,
    powershell,
    registry,
    releases,
    services,
    system,
    update_source,
    updates,
)
from renkei.lab.windows.modules.model import MODELS, Call, run_model

__all__ = [
    "MODELS",
    "Call",
    "accounts",
    "files",
    "packages",
    "patching",
    "powershell",
    "registry",
    "releases",
    "run_model",
    "services",
    "system",
    "update_source",
    "updates",
]
