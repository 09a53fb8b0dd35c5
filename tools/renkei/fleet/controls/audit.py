"""Subcategories of the audit policy: their GUIDs ([MS-GPAC] 2.2.1.2), which are the same in every language."""

from typing import Final

SUBCATEGORIES: Final = {
    "Security State Change": "0CCE9210",
    "Security System Extension": "0CCE9211",
    "System Integrity": "0CCE9212",
    "IPsec Driver": "0CCE9213",
    "Other System Events": "0CCE9214",
    "Logon": "0CCE9215",
    "Logoff": "0CCE9216",
    "Account Lockout": "0CCE9217",
    "Special Logon": "0CCE921B",
    "Other Logon/Logoff Events": "0CCE921C",
    "Group Membership": "0CCE9249",
    "File Share": "0CCE9224",
    "Other Object Access Events": "0CCE9227",
    "Detailed File Share": "0CCE9244",
    "Removable Storage": "0CCE9245",
    "Sensitive Privilege Use": "0CCE9228",
    "Process Creation": "0CCE922B",
    "Plug and Play Events": "0CCE9248",
    "Audit Policy Change": "0CCE922F",
    "Authentication Policy Change": "0CCE9230",
    "Authorization Policy Change": "0CCE9231",
    "MPSSVC Rule-Level Policy Change": "0CCE9232",
    "Other Policy Change Events": "0CCE9234",
    "User Account Management": "0CCE9235",
    "Security Group Management": "0CCE9237",
    "Application Group Management": "0CCE9239",
    "Credential Validation": "0CCE923F",
}
_REST: Final = "-69AE-11D9-BED3-505054503030"
NUMBERS: Final = {
    frozenset[str](): 0,
    frozenset({"success"}): 1,
    frozenset({"failure"}): 2,
    frozenset({"success", "failure"}): 3,
}
WORDS: Final = {0: "No Auditing", 1: "Success", 2: "Failure", 3: "Success and Failure"}


def guid(subcategory: str) -> str:
    """Return the GUID of a subcategory, in braces and capitals.

    Raises:
        KeyError: there is none of this name.
    """
    return f"{{{SUBCATEGORIES[subcategory]}{_REST}}}"
