"""What every request to the page must be, and what every answer carries.

A page on loopback can be reached by every program of the machine and, through a browser, by every web site: a name that
resolves to 127.0.0.1 (DNS rebinding), a form that posts across sites. So the host must be the one that browsers show,
a post must come from the page itself, and nothing may frame, read or remember an answer.
"""

from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_FORM = 8 * 1024
"""Bytes of a form: a reason of 200 characters, percent-encoded, with room."""

_MAX_FIELDS = 8
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class BadForm(Exception):
    """A body that isn't a form of the page's."""


class Guard:
    """Lets pass what is addressed to the page itself, and dresses the answers."""

    def __init__(self, app: ASGIApp, host: str) -> None:
        """Guard `app`, which is reached as `host` (with its port) and by no other name."""
        self._app = app
        self._host = host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return  # no web sockets, and there is nothing to do at start and end

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
            await send(message)

        headers = Headers(scope=scope)
        if headers.getlist("host") != [self._host]:
            await PlainTextResponse("this page has another name\n", 421)(scope, receive, dressed)
        elif scope["method"] not in {"GET", "HEAD", "POST"}:
            await PlainTextResponse("GET or POST\n", 405)(scope, receive, dressed)
        else:
            await self._app(scope, receive, dressed)


async def read_form(request: Request) -> dict[str, str]:
    """Read a small form, each field once.

    Raises:
        BadForm: longer, another type, or not such a form.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        raise BadForm("another content type")
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_FORM:
            raise BadForm("too long")
    try:
        fields = parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict")
    except ValueError as error:
        raise BadForm("not a form") from error
    if any(len(values) != 1 for values in fields.values()):
        raise BadForm("a field stands there twice")
    return {name: values[0] for name, values in fields.items()}


def is_own(request: Request, origin: str) -> bool:
    """Whether a post was sent by a page of this origin, as the browser says: it writes both headers by itself."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    return request.headers.get("origin") == origin and site == "same-origin"
