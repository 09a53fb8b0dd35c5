"""Test hosts and networks, and the page that shows what they did."""

from renkei.lab.errors import LabError
from renkei.lab.lab import Lab, Tell, Timings
from renkei.lab.status import HostStatus

__all__ = ["HostStatus", "Lab", "LabError", "Tell", "Timings"]
