"""`renkei`: the command of those who build and run the link.

Each group of commands lives in a module of its own, imported only when it is called, so that `renkei inventory list`
doesn't wait for the libraries of the hub.
"""

import sys
from importlib import import_module

import typer

#: Command → module with an `app` (a group) or a `command` (a single one), and its line in the help.
COMMANDS = {
    "up": ("renkei.cli.kit", "Build the lab, provision it, exchange notices, show the result."),
    "down": ("renkei.cli.kit", "Undo all that `up` did to this machine, except installed packages."),
    "test": ("renkei.cli.kit", "Run the tests, or a selection of them."),
    "lint": ("renkei.cli.kit", "ruff, mypy, import-linter, ansible-lint and yamllint."),
    "bench": ("renkei.cli.kit", "Run the benchmarks."),
    "shell": ("renkei.cli.kit", "A shell with the kit's programs on its PATH."),
    "inventory": ("renkei.cli.inventory", "Check, list and show the hosts of a fleet."),
    "terminal": ("renkei.cli.terminal", "What a linkage terminal must be, and what has to be bought."),
    "controls": ("renkei.cli.controls", "What a Windows terminal must hold, and the exceptions from it."),
    "policy": ("renkei.cli.policy", "The flows between hosts, and the packet filter rules that follow."),
    "capacity": ("renkei.cli.capacity", "How long updates and notices take to every endpoint; what to change."),
    "patch": ("renkei.cli.patch", "How far every machine is patched, by its own signed word."),
    "notice": ("renkei.cli.notice", "Check and convert files of notices, and print what the layouts are."),
    "kanji": ("renkei.cli.kanji", "Write names in the 正字 of residence cards (法務省告示第582号)."),
    "updates": ("renkei.cli.updates", "The signed catalogue of Windows updates."),
    "wave": ("renkei.cli.wave", "Waves of updates: plan, approve, run, halt."),
    "release": ("renkei.cli.release", "Build the archive of the software that hosts install."),
    "ca": ("renkei.cli.ca", "The offline root."),
    "ministry": ("renkei.cli.ministry", "Registration authority, connector, simulator of the immigration system."),
    "journal": ("renkei.cli.journal", "Check the hub's journal: every entry, every signed head."),
    "lab": ("renkei.cli.lab", "The lab's hosts and networks."),
}


def main() -> None:
    """Run `renkei`; imports no more than the called command needs."""
    wanted = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    names = [wanted] if wanted in COMMANDS else list(COMMANDS)
    app = typer.Typer(name="renkei", no_args_is_help=True, help=__doc__.splitlines()[0], pretty_exceptions_enable=False)
    for name in names:
        module, text = COMMANDS[name]
        if wanted not in COMMANDS:
            app.command(name, help=text)(_placeholder)
            continue
        loaded = import_module(module)
        if name in getattr(loaded, "VERBS", {}):
            # what `test` doesn't know is pytest's
            app.command(name, context_settings={"ignore_unknown_options": name == "test"})(loaded.VERBS[name])
        else:
            app.add_typer(loaded.app, name=name, help=text)

    @app.callback()
    def renkei() -> None:
        """Give Typer a group even where one command is loaded."""

    app()


def _placeholder() -> None:
    """Stand for a command in the help of `renkei` itself, where its module isn't loaded."""
