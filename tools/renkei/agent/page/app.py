"""The pages: what they show, and what their buttons do. Plain HTML; the script only saves pressing "reload"."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from renkei.agent.activity import Activity
from renkei.agent.exchange import Busy, alone
from renkei.agent.home import Home
from renkei.agent.page import standing, words
from renkei.agent.page.door import COOKIE, Door, Session
from renkei.agent.page.guard import BadForm, Guard, is_own, read_form
from renkei.agent.register import bridge, confirmation, sheets
from renkei.agent.register.confirmation import BadReason
from renkei.agent.register.pending import pending, summary
from renkei.agent.register.rows import notice_of
from renkei.agent.settings import JST
from renkei.exchange.clock import parse_time
from renkei.store.errors import StoreError
from renkei.store.standings import Import, NotWaiting, Standing

_PATIENCE = 10.0
_ROWS = 200
"""Rows of the not-yet-imported list on one page."""

_TEMPLATES = Environment(
    loader=PackageLoader("renkei.agent.page"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

Form = dict[str, str]
Handler = Callable[[Request], Awaitable[Response]]


def make_app(home: Home, door: Door, activity: Activity) -> ASGIApp:
    """Make the page's application.

    Args:
        home: of the endpoint's agent.
        door: tickets and sessions.
        activity: what the service is doing.
    """
    page = _Page(home, door, activity)
    routes = [
        Route("/enter", page.enter, methods=["POST"]),
        Route("/style.css", page.asset("style.css", "text/css")),
        Route("/page.js", page.asset("page.js", "text/javascript")),
        Route("/", page.shown(page.overview)),
        Route("/progress", page.shown(page.progress, used=False)),
        Route("/pending", page.shown(page.pending)),
        Route("/sheets", page.shown(page.sheet_list)),
        Route("/sheets/{number}", page.shown(page.sheet), methods=["GET"]),
        Route("/sheets/{number}", page.done(page.decide), methods=["POST"]),
        Route("/exchange", page.done(page.ask), methods=["POST"]),
        Route("/language", page.done(page.speak), methods=["POST"]),
        Route("/values", page.done(page.show_values), methods=["POST"]),
        Route("/leave", page.done(page.leave), methods=["POST"]),
    ]
    app = Starlette(
        routes=[Mount(door.prefix.rstrip("/"), routes=routes)],
        exception_handlers={404: page.not_found, StoreError: page.broken, OSError: page.broken},
    )
    app.router.redirect_slashes = False
    return Guard(app, door.origin.removeprefix("http://"))


class _Page:
    """The handlers. Those that read or change state run in a thread, so that the loop goes on."""

    def __init__(self, home: Home, door: Door, activity: Activity) -> None:
        self._home = home
        self._door = door
        self._activity = activity

    # -- coming in, and what every request goes through

    async def enter(self, request: Request) -> Response:
        """Exchange the file's ticket for a session; the page is then asked for by itself, with its strict cookie."""
        try:
            form = await read_form(request)
        except BadForm:
            return self._closed(400)
        secret = await run_in_threadpool(self._door.enter, form.get("ticket", ""))
        if secret is None:
            return self._closed(403)
        answer = self._render("entered.html.j2", Session())
        answer.set_cookie(COOKIE, secret, path=self._door.prefix, httponly=True, samesite="strict")
        return answer

    def shown(self, view: Callable[[Request, Session], Response], *, used: bool = True) -> Handler:
        """A page that only shows; `used` is False for what the script asks by itself."""

        async def handle(request: Request) -> Response:
            session = self._door.session(request.cookies.get(COOKIE, ""), used=used)
            return self._closed(403) if session is None else await run_in_threadpool(view, request, session)

        return handle

    def done(self, act: Callable[[Request, Session, Form], Response]) -> Handler:
        """What a button does: only from a page of this session."""

        async def handle(request: Request) -> Response:
            session = self._door.session(request.cookies.get(COOKIE, ""))
            if session is None:
                return self._closed(403)
            try:
                form = await read_form(request)
            except BadForm:
                return self._closed(400)
            if not is_own(request, self._door.origin) or form.get("csrf") != session.csrf:
                return self._closed(403)
            return await run_in_threadpool(act, request, session, form)

        return handle

    def asset(self, name: str, kind: str) -> Handler:
        """A file of the package: style and script say nothing of anybody."""
        path = standing.ASSETS / name

        async def handle(_request: Request) -> Response:
            return FileResponse(path, media_type=kind)

        return handle

    async def not_found(self, _request: Request, _error: Exception) -> Response:
        """No such page, or one of a service that was started anew since."""
        return self._closed(404)

    async def broken(self, _request: Request, error: Exception) -> Response:
        """The machine's disk; the agent itself alarms what it can't do."""
        self._home.alarm("page", "disk", str(error))
        return self._closed(500)

    # -- what is shown

    def overview(self, _request: Request, session: Session) -> Response:
        """The front page."""
        doing, asked = self._activity.now, session.asked
        busy = asked is not None and doing.finished <= asked
        outcome = ""
        if asked is not None and not busy:
            session.asked = None
            outcome = "failed" if doing.failed else "done"
        found = standing.overview(self._home)
        return self._render("overview.html.j2", session, found=found, busy=busy, outcome=outcome)

    def progress(self, _request: Request, session: Session) -> Response:
        """Whether the exchange that this session asked for goes on, for the script."""
        busy = session.asked is not None and self._activity.now.finished <= session.asked
        return JSONResponse({"busy": busy, "exchanging": self._activity.now.exchanging})

    def pending(self, request: Request, session: Session) -> Response:
        """The people who aren't in the register yet (未取込者一覧), masked unless somebody asked for names."""
        found = pending(self._home, show_values=session.show_values)
        pages = max(1, -(-len(found) // _ROWS))
        given = request.query_params.get("page", "1")
        number = min(int(given), pages) if given.isdecimal() and len(given) < 6 else 1  # noqa: PLR2004  (digits)
        first = (max(number, 1) - 1) * _ROWS
        return self._render(
            "pending.html.j2",
            session,
            here="pending",
            counts=summary(found),
            rows=found[first : first + _ROWS],
            total=len(found),
            page=max(number, 1),
            pages=pages,
        )

    def sheet_list(self, _request: Request, session: Session) -> Response:
        """The notices that wait for a clerk's word."""
        return self._render("sheets.html.j2", session, here="sheets", rows=self._unconfirmed())

    def sheet(self, request: Request, session: Session) -> Response:
        """What stands before and after, and the decision."""
        return self._sheet(session, str(request.path_params["number"]))

    # -- what buttons do

    def ask(self, _request: Request, session: Session, _form: Form) -> Response:
        """Ask the service for an exchange now."""
        if self._home.keyring.current() is not None and not standing.is_by_medium(self._home):
            doing = self._activity.now
            session.asked = doing.finished + doing.exchanging  # one that is going on began before it was asked for
            self._home.settings.request_file.touch()
        return self._back("")

    def decide(self, request: Request, session: Session, form: Form) -> Response:
        """Let a notice into the register, or refuse it with a reason; both only once the clerk has checked."""
        number, reason = str(request.path_params["number"]), form.get("reason", "").strip()
        refuse, fault = form.get("decision") == "refuse", ""
        if form.get("decision") not in {"confirm", "refuse"}:
            fault = "decision"
        elif form.get("checked") != "yes":
            fault = "checked"
        elif refuse and not reason:
            fault = "reason"
        if fault:
            return self._sheet(session, number, fault, form, status=422)
        try:
            with alone(self._home, _PATIENCE):
                session.notice = self._decided(number, reason if refuse else None)
                bridge.tend(self._home)
        except BadReason:
            return self._sheet(session, number, "reason", form, status=422)
        except Busy:
            return self._sheet(session, number, "busy", form, status=503)
        except NotWaiting:
            session.notice = "gone"
        return self._back("sheets")

    def speak(self, _request: Request, session: Session, form: Form) -> Response:
        """Switch the language."""
        session.language = form["language"] if form.get("language") in words.LANGUAGES else session.language
        return self._back(form.get("page", ""))

    def show_values(self, _request: Request, session: Session, form: Form) -> Response:
        """Show or mask names in the list, in this session only."""
        session.show_values = form.get("show") == "yes"
        return self._back("pending")

    def leave(self, request: Request, session: Session, _form: Form) -> Response:
        """End the session."""
        self._door.leave(request.cookies.get(COOKIE, ""))
        answer = self._render("left.html.j2", Session(language=session.language))
        answer.delete_cookie(COOKIE, path=self._door.prefix)
        return answer

    # -- parts

    def _decided(self, number: str, reason: str | None) -> str:
        if reason is not None:
            confirmation.refuse(self._home, number, reason)
            return "refused"
        found = confirmation.confirm(self._home, number)
        return "behind" if found.standing is Standing.BEHIND else "confirmed"

    def _unconfirmed(self) -> list[Import]:
        return [each for each in self._home.spool.imports.unfinished() if each.standing is Standing.UNCONFIRMED]

    def _sheet(
        self, session: Session, number: str, fault: str = "", form: Form | None = None, status: int = 200
    ) -> Response:
        found = next((each for each in self._unconfirmed() if each.number == number), None)
        if found is None:
            session.notice = "gone"
            return self._back("sheets")
        shown = sheets.contents(self._home, found)
        return self._render("sheet.html.j2", session, status, "sheets", sheet=shown, fault=fault, given=form or {})

    def _back(self, page: str) -> Response:
        """After a button: to one of the page's own pages, so that a reload repeats nothing."""
        known = page if page in {"", "pending", "sheets"} else ""
        return RedirectResponse(f"{self._door.prefix}{known}", 303)

    def _closed(self, status: int) -> HTMLResponse:
        """What somebody gets who may not come in, or not this way: nothing about anybody."""
        return self._render("closed.html.j2", Session(), status)

    def _render(self, template: str, session: Session, status: int = 200, here: str = "", **shown: Any) -> HTMLResponse:  # noqa: ANN401
        say = partial(_say, session.language)
        notice, session.notice = session.notice, ""
        text = _TEMPLATES.get_template(template).render(
            t=say,
            p=lambda pair: say(*pair),
            when=lambda text: parse_time(text).astimezone(JST),
            base=self._door.prefix,
            session=session,
            settings=self._home.settings,
            words=words,
            here=here,
            notice=notice,
            notice_of=notice_of,
            **shown,
        )
        return HTMLResponse(text, status)


def _say(language: str, japanese: str, english: str) -> str:
    return japanese if language == "ja" else english
