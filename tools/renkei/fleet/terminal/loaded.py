"""A fleet with its controls and exceptions, once a process: Ansible's workers are forked from one that has it."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

from renkei.fleet.controls.exceptions import ControlException, read_exceptions
from renkei.fleet.controls.model import Table
from renkei.fleet.controls.table import read_controls
from renkei.fleet.loader import load_fleet
from renkei.fleet.model import Fleet

_JAPAN = timedelta(hours=9)


@lru_cache(maxsize=4)
def loaded(fleet_file: Path, controls: Path) -> tuple[Fleet, Table, tuple[ControlException, ...]]:
    """Load a fleet, the table of controls and the fleet's exceptions.

    Args:
        fleet_file: its `fleet.yml`.
        controls: the folder `inventory/controls`.

    Raises:
        FleetError: with all that is wrong with one of them.
    """
    fleet, table = load_fleet(fleet_file), read_controls(controls / "windows.yml")
    today = (datetime.now(UTC) + _JAPAN).date()
    names = {*fleet.hosts, *fleet.groups}
    file, schema = fleet.folder / "exceptions.yml", controls / "exceptions.schema.json"
    return fleet, table, read_exceptions(file, schema, table, names, today)
