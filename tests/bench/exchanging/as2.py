"""An AS2 exchange in Python (pyas2lib), the nearest thing to ours that others have written: does it run here?

It is installed into the bench's own folder, at the versions that were tried. Where it doesn't load, the row says why.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.exchanging.ground import PROGRAMS
from bench.exchanging.rows import row

PACKAGES = ("pyas2lib==1.4.4", "oscrypto==1.3.0", "asn1crypto==1.5.1", "pyopenssl==26.4.0")


def measure(folder: Path) -> list[dict[str, Any]]:
    """Return a row that says whether there is anything to measure against."""
    command = [PROGRAMS / "uv", "pip", "install", "--quiet", "--no-deps", "--target", folder, *PACKAGES]
    installed = subprocess.run(command, capture_output=True, text=True, check=False)
    if installed.returncode:
        return [row("AS2 by pyas2lib: doesn't install", None, "")]
    program = f"import sys; sys.path.insert(0, {str(folder)!r}); import pyas2lib"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    if loaded.returncode == 0:
        return [row("AS2 by pyas2lib: loads here, which it didn't when this was written; not measured", None, "")]
    reason = loaded.stderr.strip().splitlines()[-1].split(": ", 1)[-1]
    return [row(f"AS2 by pyas2lib: doesn't load ({reason})", None, "")]
