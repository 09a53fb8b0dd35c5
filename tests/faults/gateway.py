"""The real gateway: Debian's nginx with the gateway role's own template, in a folder of the test."""

import socket
import subprocess
import time
from pathlib import Path

import jinja2
import yaml

ROOT = Path(__file__).parents[2]
ROLE = ROOT / "roles" / "gateway"
NGINX = ROOT / "build" / "cache" / "nginx" / "usr" / "sbin" / "nginx"
TEMPLATE = "etc/nginx/nginx.conf.j2"
MOVED = {
    "/etc/renkei/": "{folder}/etc/",
    "user www-data;": "user root;\ndaemon off;\npid {folder}/nginx.pid;",
    "syslog:server=unix:/dev/log,nohostname,tag=nginx": "{folder}/nginx.log",
    "http {\n": "http {\n    client_body_temp_path {folder}/body;\n    proxy_temp_path {folder}/proxy;\n"
    "    fastcgi_temp_path {folder}/unused;\n    uwsgi_temp_path {folder}/unused;\n"
    "    scgi_temp_path {folder}/unused;\n",
}
"""What lies elsewhere in a test: paths, the user, the log. Everything else is as on a gateway."""


class Gateway:
    """A running nginx with its two listeners' ports. `changes` replace words of the template by others."""

    def __init__(
        self,
        folder: Path,
        sockets: Path,
        anchor: Path,
        chain: Path,
        key: Path,
        changes: dict[str, str] | None = None,
        **variables: object,
    ) -> None:
        if not NGINX.exists():
            raise FileNotFoundError(f"{NGINX}: ./kit env fetches it")
        self.port, self.enrolment_port = free_port(), free_port()
        for name, source in (
            ("pki/root.pem", anchor),
            ("gateway/certificate.pem", chain),
            ("gateway/key.pem", key),
        ):
            target = folder / "etc" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
        text = render(
            {
                "gateway_exchange": {"name": "localhost", "address": "127.0.0.1", "port": self.port},
                "gateway_enrolment": {
                    "name": "localhost",
                    "address": "127.0.0.1",
                    "port": self.enrolment_port,
                },
                "gateway_hub_sockets": str(sockets),
                **variables,
            }
        )
        for there, here in {**MOVED, **(changes or {})}.items():
            if there not in text:
                raise ValueError(f"the role's template has no {there!r} any more")
            text = text.replace(there, here.replace("{folder}", str(folder)))
        config = folder / "nginx.conf"
        config.write_text(text)
        self._process = subprocess.Popen([NGINX, "-p", folder, "-e", folder / "nginx.log", "-c", config])
        self._wait()

    @property
    def pid(self) -> int:
        """The master process; its children are the workers."""
        return self._process.pid

    def _wait(self) -> None:
        deadline = time.monotonic() + 10
        while self._process.poll() is None and time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise TimeoutError("nginx didn't start; what it said is above")

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(10)


def render(variables: dict[str, object]) -> str:
    """The role's template with its defaults and these variables."""
    environment = jinja2.Environment(  # noqa: S701 (a configuration, no page)
        loader=jinja2.FileSystemLoader(ROLE / "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,  # as Ansible's template module
    )
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())
    return environment.get_template(TEMPLATE).render({**defaults, **variables})


def free_port() -> int:
    """A port that nobody listened at a moment ago."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
