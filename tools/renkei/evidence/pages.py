"""Pages of one HTML file each, from a template of the room that shows them."""

from base64 import b64encode
from hashlib import sha256
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from renkei.ministry.files import replace


def put_page(target: Path, package: str, template: str, **words: object) -> None:
    """Render `templates/TEMPLATE` of a package and put the page in place at once, its folder made if need be.

    Raises:
        OSError: it can't be written; what stood there before still stands.
    """
    environment = Environment(
        loader=PackageLoader(package), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["digest"] = _digest
    text = environment.get_template(template).render(**words)
    target.parent.mkdir(parents=True, exist_ok=True)
    replace(target, text.encode(), 0o644)


def _digest(script: str) -> str:
    """Name a script as a Content-Security-Policy does (CSP 3, 2.3.1: `sha256-` and its digest in Base64)."""
    return f"sha256-{b64encode(sha256(script.encode()).digest()).decode()}"
