"""The page that `./kit up` ends with: one HTML file, Japanese with an English switch, readable without a network.

Every figure on it comes from a `Result`; the template holds words and form only.
"""

from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from renkei.evidence.pages import put_page
from renkei.lab.result import EndpointResult, HostResult, Result

#: Part → its name on the page, Japanese and English; the words are those of the ministry's own drawing of 2009.
PARTS = {
    "router": ("ルータ", "router"),
    "firewall": ("ファイアウォール", "firewall"),
    "terminal": ("LGWAN連携端末", "terminal"),
    "register": ("住基システム", "resident register"),
    "hub": ("ASPサーバ", "hub and gateway"),
    "mirror": ("更新配布サーバ", "package mirror"),
    "linkage": ("連携端末", "linkage"),
    "immigration": ("入管システム", "immigration system"),
}
LINKS = {
    "online": ("常時接続", "online"),
    "on_demand": ("必要時接続", "on demand"),
    "media": ("媒体（回線断）", "media (line down)"),
}
#: What municipalities send, and what becomes of it, as the page names it; the rest of the words are the notices' own.
TYPES = {
    "市町村伝達": ("市町村伝達", "residence"),
    "市町村通知": ("市町村通知", "register"),
    "特定在留カード交付通知": ("特定在留カード交付", "card issue"),
}
RESULTS = {
    "取込済": ("取込済", "imported"),
    "エラー": ("エラー", "error"),
    "未取込": ("未取込", "pending"),
}
#: What a register says of a notice of the ministry, and how that gets to and from it.
ANSWERS = {name: RESULTS[name] for name in ("取込済", "エラー")}
BRIDGES = {
    "folder": ("共有フォルダ", "share"),
    "media": ("媒体", "medium"),
    "none": ("なし", "none"),
}
PHASES = {
    "hosts": ("機器の起動", "hosts"),
    "provision": ("構築", "provision"),
    "enrol": ("端末登録", "enrol"),
    "exchange": ("通知の交換", "exchange"),
    "verify": ("検証", "verify"),
}

_JAPAN = ZoneInfo("Asia/Tokyo")
_NODE_WIDTH, _NODE_HEIGHT, _ROW, _WIDTH = 128, 46, 70, 960
_LGWAN_TOP, _LGWAN_HEIGHT, _SITE_HEIGHT = 268, 44, 240


@dataclass(frozen=True, slots=True)
class Node:
    """A host in the picture: its place (top left corner, pixels) and whether it is well."""

    host: HostResult
    x: int
    y: int

    @property
    def middle(self) -> int:
        """The horizontal middle, where its lines begin."""
        return self.x + _NODE_WIDTH // 2

    @property
    def mark(self) -> str:
        """`good`, `bad` or `unknown`: a host that isn't running is bad, one without a verdict is unknown."""
        if self.host.is_well:
            return "good"
        unknown = self.host.state == "running" and self.host.verdict is None
        return "unknown" if unknown else "bad"


@dataclass(frozen=True, slots=True)
class Site:
    """A site in the picture: its nodes, the lines between them, and its exchange if it is an endpoint."""

    title: tuple[str, str]
    x: int
    y: int
    width: int
    height: int
    nodes: list[Node]
    lines: list[tuple[int, int, int, int]]
    endpoint: EndpointResult | None

    @property
    def router(self) -> Node:
        """The node that the line to LGWAN goes from."""
        return next(node for node in self.nodes if node.host.part == "router")


def write_page(result: Result, target: Path) -> None:
    """Render the page of a run and put it in place at once."""
    put_page(
        target,
        "renkei.lab",
        "page.html.j2",
        result=result,
        sites=_sites(result),
        parts=PARTS,
        links=LINKS,
        types=TYPES,
        outcomes=RESULTS,
        answers=ANSWERS,
        bridges=BRIDGES,
        phases=PHASES,
        node={"width": _NODE_WIDTH, "height": _NODE_HEIGHT},
        finished=result.finished_at.astimezone(_JAPAN),
        lgwan={"top": _LGWAN_TOP, "height": _LGWAN_HEIGHT, "width": _WIDTH},
        picture_height=_LGWAN_TOP + _LGWAN_HEIGHT + 66 + _SITE_HEIGHT + 8,
    )


def _sites(result: Result) -> list[Site]:
    """Place ministry and ASP above the LGWAN bar, the endpoints below it, each a column."""
    names = {"ministry": ("法務省", "Ministry of Justice"), "asp": ("LGWAN-ASP", "LGWAN-ASP")}
    above = [key for key in names if any(host.site == key for host in result.hosts)]
    below = [endpoint.code for endpoint in result.endpoints]
    sites = [_site(result, key, names[key], index, len(above), upwards=True) for index, key in enumerate(above)]
    for index, code in enumerate(below):
        endpoint = result.endpoints[index]
        sites.append(
            _site(result, code, (endpoint.name, endpoint.name), index, len(below), upwards=False, endpoint=endpoint)
        )
    return sites


def _site(
    result: Result,
    key: str,
    title: tuple[str, str],
    column: int,
    columns: int,
    *,
    upwards: bool,
    endpoint: EndpointResult | None = None,
) -> Site:
    width, height = _WIDTH // columns - 20, _SITE_HEIGHT
    x = column * (_WIDTH // columns) + 10
    y = 8 if upwards else _LGWAN_TOP + _LGWAN_HEIGHT + 66
    hosts = {host.part: host for host in result.hosts if host.site == key}
    rows = [["router"], ["firewall"], [part for part in PARTS if part in hosts and part not in {"router", "firewall"}]]
    if upwards:
        rows.reverse()
    nodes = []
    for row_index, row in enumerate(rows):
        for index, part in enumerate(row):
            middle = x + width * (2 * index + 1) // (2 * len(row))
            nodes.append(Node(hosts[part], middle - _NODE_WIDTH // 2, y + 36 + row_index * _ROW))
    by_part = {node.host.part: node for node in nodes}
    lines = []
    for node in nodes:
        other = by_part["router"] if node.host.part == "firewall" else by_part["firewall"]
        if node is not other and node.host.part != "router":
            upper, lower = sorted((node, other), key=lambda each: each.y)
            lines.append((upper.middle, upper.y + _NODE_HEIGHT, lower.middle, lower.y))
    return Site(title, x, y, width, height, nodes, lines, endpoint)
