"""The play that installs the agent, and the mirror that it fetches packages from."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from windows.conftest import ROOT

VERSION = "0.1.0-0123456789ab"
INTERPRETER = rf"c:\program files\renkei\versions\{VERSION}\python\python.exe"


@contextmanager
def mirror(folder: Path) -> Iterator[str]:
    """A folder over HTTP, as the mirror serves it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=folder))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def role(record: Path, url: str, anchor: Path, **changes: object) -> list[dict[str, Any]]:
    """A play's tasks: the role as a staging bench runs it."""
    values: dict[str, object] = {
        "agent_platform": "windows",
        "agent_endpoint": "131041",
        "agent_terminal": "T-131041-01",
        "agent_machine_serial": "LAB131041A",
        "agent_link": "online",
        "agent_layout": "csv-2",
        "agent_gateway": "https://gateway.renkei.example:8443",
        "agent_enrolment": "https://enrolment.renkei.example:8444",
        "agent_exchange_times": ["08:45"],
        "agent_exchange_jitter_seconds": 300,
        "agent_bridge": "folder",
        "agent_bridge_folder": r"\\register\renkei",
        "agent_anchor_file": str(anchor),
        "agent_package_record": str(record),
        "agent_package_url": url,
        "agent_package_double": True,
        **changes,
    }
    apply = {"name": str(ROOT / "roles" / "agent")}
    return [{"name": "The agent", "ansible.builtin.import_role": apply, "vars": values}]
