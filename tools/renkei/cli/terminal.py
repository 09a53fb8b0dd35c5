"""`renkei terminal`: the linkage terminal, from its specification to the medium and the sealed sheet.

The controller has all of these commands. A host has those whose module needs no room that hosts don't get (`fleet`):
at the ministry's linkage host that is `code`.
"""

from importlib import import_module
from importlib.util import find_spec

import typer

app = typer.Typer(no_args_is_help=True, help="What a linkage terminal must be, what has to be bought, and its media.")

_MODULES = ("terminal_spec", "terminal_life", "terminal_media", "terminal_code")

for _module in _MODULES:
    _name = f"renkei.cli.{_module}"
    if find_spec(_name) is not None:
        import_module(_name).add_to(app)
