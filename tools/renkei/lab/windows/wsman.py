"""WS-Management (DSP0226, MS-WSMV) as far as remote shells need it: requests read, responses and faults written."""

import uuid
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from lxml import etree

MAX_ENVELOPE: Final = 512 * 1024
"""Bytes of a request: a host's own default for MaxEnvelopeSizekb."""

SHELL: Final = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
POWERSHELL: Final = "http://schemas.microsoft.com/powershell/Microsoft.PowerShell"
TRANSFER: Final = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
_SOAP: Final = "http://www.w3.org/2003/05/soap-envelope"
_ADDRESSING: Final = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
_WSMAN: Final = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
_FAULT: Final = "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault"
_OPEN: Final = (
    f'<s:Envelope xmlns:s="{_SOAP}" xmlns:a="{_ADDRESSING}" xmlns:w="{_WSMAN}" xmlns:x="{TRANSFER}" xmlns:rsp="{SHELL}"'
    ' xml:lang="en-US">'
)
_PARSER: Final = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)

OPERATION_TIMEOUT: Final = (2150858793, "w:TimedOut")
SHELL_NOT_FOUND: Final = (2150858843, "w:InvalidSelectors")
UNSUPPORTED: Final = (2150858752, "a:ActionNotSupported")
QUOTA: Final = (2150859173, "w:QuotaLimit")
MALFORMED: Final = (2150858756, "w:SchemaValidationError")


class BadRequest(ValueError):
    """A request that no client of ours would send: not XML, or without what every request has."""


class Fault(Exception):
    """What a host answers instead of doing what was asked."""

    def __init__(self, kind: tuple[int, str], reason: str) -> None:
        """Keep the code (as WSManFault names it) with its subcode, and the reason."""
        super().__init__(reason)
        self.code, self.subcode = kind


@dataclass(frozen=True, slots=True)
class Request:
    """A request; `operation` is the last part of its action, `timeout` its OperationTimeout (PT20S), if any."""

    action: str
    message_id: str
    resource: str
    shell_id: str
    timeout: str
    options: Mapping[str, str]
    body: "etree._Element"

    @property
    def operation(self) -> str:
        """Create, Delete, Command, Send, Receive, Signal or Disconnect."""
        return self.action.rsplit("/", 1)[-1]

    def text(self, name: str) -> str:
        """Return the text of the first element of a name in the body, empty when there is none."""
        found = self.element(name)
        return "" if found is None else (found.text or "")

    def attribute(self, name: str, attribute: str) -> str:
        """Return an attribute of the first element of a name in the body, empty when there is none."""
        found = self.element(name)
        return "" if found is None else found.get(attribute, "")

    def element(self, name: str) -> "etree._Element | None":
        """Return the first element of a local name in the body."""
        return next(self.body.iter(f"{{*}}{name}"), None)

    def base64(self, name: str) -> bytes:
        """Return the bytes of the first element of a name in the body.

        Raises:
            Fault: they aren't base64.
        """
        try:
            return b64decode(self.text(name), validate=True)
        except Base64Error:
            raise Fault(MALFORMED, f"{name} is not base64") from None


def read(body: bytes) -> Request:
    """Read a request.

    Raises:
        BadRequest: it isn't one.
    """
    try:
        root = etree.fromstring(body, _PARSER)
    except etree.XMLSyntaxError as error:
        raise BadRequest(f"not well-formed XML: {error}") from None
    header, content = root.find(f"{{{_SOAP}}}Header"), root.find(f"{{{_SOAP}}}Body")
    if header is None or content is None:
        raise BadRequest("an envelope has a header and a body")
    action = header.findtext(f"{{{_ADDRESSING}}}Action")
    if not action:
        raise BadRequest("a request has an action")
    selectors = {each.get("Name", ""): each.text or "" for each in header.iter(f"{{{_WSMAN}}}Selector")}
    return Request(
        action=action.strip(),
        message_id=(header.findtext(f"{{{_ADDRESSING}}}MessageID") or "").strip(),
        resource=(header.findtext(f"{{{_WSMAN}}}ResourceURI") or "").strip(),
        shell_id=selectors.get("ShellId", "").upper(),
        timeout=(header.findtext(f"{{{_WSMAN}}}OperationTimeout") or "").strip(),
        options={each.get("Name", ""): each.text or "" for each in header.iter(f"{{{_WSMAN}}}Option")},
        body=content,
    )


def response(request: Request, body: str, action: str = "") -> bytes:
    """Write the response to a request; `body` is XML, its prefixes `rsp`, `w`, `x` and `a`."""
    return (
        f"{_OPEN}<s:Header><a:Action>{action or request.action + 'Response'}</a:Action>"
        f"<a:MessageID>uuid:{uuid.uuid4()}</a:MessageID><a:RelatesTo>{escape(request.message_id)}</a:RelatesTo>"
        f"</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def fault(message_id: str, error: Fault, machine: str) -> bytes:
    """Write a fault; clients look at the subcode and at the code of WSManFault."""
    reason = escape(str(error))
    return (
        f"{_OPEN}<s:Header><a:RelatesTo>{escape(message_id)}</a:RelatesTo></s:Header><s:Body><s:Fault>"
        f"<s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>{error.subcode}</s:Value></s:Subcode></s:Code>"
        f'<s:Reason><s:Text xml:lang="en-US">{reason}</s:Text></s:Reason><s:Detail>'
        f'<f:WSManFault xmlns:f="{_FAULT}" Code="{error.code}" Machine="{escape(machine)}">'
        f"<f:Message>{reason}</f:Message></f:WSManFault></s:Detail></s:Fault></s:Body></s:Envelope>"
    ).encode()


def created(request: Request, shell_id: str, resource: str) -> bytes:
    """Write the response to the creation of a shell."""
    body = (
        f"<x:ResourceCreated><a:Address>https://localhost:5986/wsman</a:Address><a:ReferenceParameters>"
        f'<w:ResourceURI>{resource}</w:ResourceURI><w:SelectorSet><w:Selector Name="ShellId">{shell_id}</w:Selector>'
        f"</w:SelectorSet></a:ReferenceParameters></x:ResourceCreated>"
        f"<rsp:Shell><rsp:ShellId>{shell_id}</rsp:ShellId><rsp:ResourceUri>{resource}</rsp:ResourceUri>"
        f"<rsp:InputStreams>stdin</rsp:InputStreams><rsp:OutputStreams>stdout</rsp:OutputStreams></rsp:Shell>"
    )
    return response(request, body, f"{TRANSFER}/CreateResponse")


def stream(name: str, content: bytes, command_id: str = "") -> str:
    """Write a piece of a command's output."""
    which = f' CommandId="{command_id}"' if command_id else ""
    return f'<rsp:Stream Name="{name}"{which}>{b64encode(content).decode()}</rsp:Stream>'


def done(command_id: str, exit_code: int) -> str:
    """Write that a command has ended."""
    return (
        f'<rsp:CommandState CommandId="{command_id}" State="{SHELL}/CommandState/Done">'
        f"<rsp:ExitCode>{exit_code}</rsp:ExitCode></rsp:CommandState>"
    )
