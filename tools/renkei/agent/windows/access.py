"""Who may do what with the agent's folders: one table, set with one call a folder (docs/windows-agent.md shows it)."""

import sys

if sys.platform != "win32":
    raise ImportError("renkei.agent.windows.access is for Windows")

from pathlib import Path

import pywintypes
import win32security

from renkei.agent.windows.layout import service_sid

_FULL, _MODIFY, _READ, _READ_FILE = "FA", "0x1301bf", "0x1200a9", "0x120089"
_ERASE_FOLDER, _ERASE_FILE = "0x1300e9", "0x130196"
"""List, overwrite and delete, but don't read: administrators destroy keys, the service alone opens them."""

_DACL = win32security.DACL_SECURITY_INFORMATION
_PROTECTED = getattr(win32security, "PROTECTED_DACL_SECURITY_INFORMATION", 0x80000000)

CLERKS = ("inbox", "outbox", "done", "rejected", "confirm")
"""Folders that the clerks' group works in."""


class AccessError(Exception):
    """A right can't be given; the text says which."""


def programs_sddl() -> str:
    """Programs: administrators write, the service reads and starts."""
    return f"D:P{_everywhere()}(A;OICI;{_READ};;;{service_sid()})"


def data_sddl(clerks: str = "") -> str:
    """Data: the service writes; it can't replace what has an ACL of its own.

    Args:
        clerks: SID of the group that works in a folder.
    """
    group = f"(A;OICI;{_MODIFY};;;{clerks})" if clerks else ""
    return f"D:P{_everywhere()}(A;OICI;{_MODIFY};;;{service_sid()}){group}"


def page_sddl(clerks: str = "") -> str:
    """The file that opens the status page: the service writes, the clerks' group reads, nobody else gets in.

    Args:
        clerks: SID of the group.
    """
    return f"{data_sddl()}(A;OICI;{_READ};;;{clerks})" if clerks else data_sddl()


def keys_sddl() -> str:
    """Keys: the service alone."""
    erase = "".join(f"(A;CI;{_ERASE_FOLDER};;;{who})(A;OIIO;{_ERASE_FILE};;;{who})" for who in ("SY", "BA"))
    return f"D:P(A;OICI;{_FULL};;;{service_sid()}){erase}"


def installer_sddl() -> str:
    """What the installer of updates writes as SYSTEM: the service reads it and can't put a link in its way."""
    return f"D:P{_everywhere()}(A;OICI;{_READ};;;{service_sid()})"


def settings_sddl() -> str:
    """Settings and the trust anchor: administrators write, the service reads."""
    return f"D:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;{_READ_FILE};;;{service_sid()})"


def allow(path: Path, sddl: str) -> bool:
    """Give a file or folder a DACL that inherits nothing; tell whether that changed anything.

    Raises:
        AccessError: it can't be set.
    """
    try:
        before = _read(path)
        wanted = win32security.ConvertStringSecurityDescriptorToSecurityDescriptor(sddl, win32security.SDDL_REVISION_1)
        win32security.SetNamedSecurityInfo(
            str(path),
            win32security.SE_FILE_OBJECT,
            _DACL | _PROTECTED,
            None,
            None,
            wanted.GetSecurityDescriptorDacl(),
            None,
        )
        return _read(path) != before
    except pywintypes.error as error:
        raise AccessError(f"{path}: its rights can't be set ({error.strerror})") from error


def is_known(name: str) -> bool:
    """Whether there is a group or an account of this name."""
    try:
        win32security.LookupAccountName("", name)
    except pywintypes.error:
        return False
    return True


def sid_of(name: str) -> str:
    """Return the SID of a group or an account.

    Raises:
        AccessError: there is none of this name.
    """
    try:
        return win32security.ConvertSidToStringSid(win32security.LookupAccountName("", name)[0])
    except pywintypes.error as error:
        raise AccessError(f'there is no group "{name}" on this machine ({error.strerror}); make it first') from error


def _everywhere() -> str:
    return f"(A;OICI;{_FULL};;;SY)(A;OICI;{_FULL};;;BA)"


def _read(path: Path) -> str:
    descriptor = win32security.GetNamedSecurityInfo(str(path), win32security.SE_FILE_OBJECT, _DACL)
    return win32security.ConvertSecurityDescriptorToStringSecurityDescriptor(
        descriptor, win32security.SDDL_REVISION_1, _DACL
    )
