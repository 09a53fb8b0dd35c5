"""Test hosts and networks, and the page that shows what they did."""

from renkei.lab.errors import LabError
from renkei.lab.lab import Lab, Timings
from renkei.lab.removal import Tell, checkouts_of, fleets_of, take_down
from renkei.lab.status import HostStatus

__all__ = ["HostStatus", "Lab", "LabError", "Tell", "Timings", "checkouts_of", "fleets_of", "take_down"]
