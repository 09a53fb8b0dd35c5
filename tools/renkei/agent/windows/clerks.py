"""The clerks' group, and what it finds on the desktop: the way to the status page (docs/status-page.md)."""

import sys

if sys.platform != "win32":
    raise ImportError("renkei.agent.windows.clerks is for Windows")

import os
from pathlib import Path

import pywintypes
import win32net
import winerror

from renkei.agent.page.door import FILE
from renkei.agent.windows import access

GROUP = "renkei-clerks"
"""Whose members work with the agent's folders and may open the status page, unless another group is named."""

_DESCRIPTION = "連携端末の状況を見て、通知のファイルを出し入れできる職員"
_SHORTCUT = "連携端末の状況.url"


def ensure_group(name: str) -> tuple[str, bool]:
    """Return the SID of the clerks' group, and whether it had to be made; who is in it is the municipality's business.

    A group of the domain serves as well as one of this machine.

    Raises:
        AccessError: there is none, and it can't be made.
    """
    if access.is_known(name):
        return access.sid_of(name), False
    try:
        win32net.NetLocalGroupAdd("", 1, {"name": name, "comment": _DESCRIPTION})
    except pywintypes.error as error:
        if error.winerror != winerror.ERROR_ALIAS_EXISTS:  # somebody else made it in this moment
            raise access.AccessError(f'the group "{name}" can\'t be made ({error.strerror})') from error
    return access.sid_of(name), True


def lay_out_shortcut(page: Path) -> bool:
    """Put the way to the page on everybody's desktop; tell whether that changed anything.

    Everybody sees it, and only the group may read what it opens.

    Args:
        page: the page's folder.
    """
    path, content = _shortcut(), f"[InternetShortcut]\r\nURL={(page / FILE).as_uri()}\r\n".encode("ascii")
    if path.is_file() and path.read_bytes() == content:
        return False
    path.write_bytes(content)
    return True


def remove_shortcut() -> bool:
    """Take the way to the page away; tell whether there was one."""
    there = _shortcut().is_file()
    _shortcut().unlink(missing_ok=True)
    return there


def _shortcut() -> Path:
    public = os.environ.get("PUBLIC") or r"C:\Users\Public"
    return Path(public) / "Desktop" / _SHORTCUT
