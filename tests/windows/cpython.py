"""A double of python.org's embeddable archive, for where that isn't: a real Windows CPython, put together from parts.

What is real: python311.dll, its extension modules, OpenSSL, SQLite and the C runtime, as the wheel of panda3d for
Windows carries them (it embeds CPython in what it builds). What is not: `python.exe` (a few lines of C around
`Py_Main`), `python3.dll` (forwards to python311.dll), and the standard library, which is this machine's. A package
built from it says so (`double`), and no terminal gets one.
"""

import compileall
import hashlib
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

from renkei.fleet.windows_package import Interpreter

ROOT = Path(__file__).parents[2]
CACHE = ROOT / "build" / "cache" / "windows-cpython"
COMPILER = "x86_64-w64-mingw32-gcc"
DONOR = "panda3d==1.10.16 --hash=sha256:37acfb92655c4226879f95c988e2ef1449a53c54486d6c1ebc00e2772429af82\n"
"""Its CPython is 3.11.9."""

NOT_NEEDED = {"_msi.pyd", "_tkinter.pyd", "tcl86t.dll", "tk86t.dll", "winsound.pyd"}
LIBRARY_LEFT_OUT = (
    "site-packages",
    "dist-packages",
    "lib-dynload",
    "test",
    "idlelib",
    "tkinter",
    "ensurepip",
    "lib2to3",
)

PROGRAM = """\
#include <windows.h>
__declspec(dllimport) int Py_Main(int, wchar_t **);
int wmain(int count, wchar_t **arguments) { return Py_Main(count, arguments); }
"""
NOTHING = "int __stdcall DllMainCRTStartup(void *a, unsigned b, void *c) { return 1; }\n"
RANDOM = """\
#include <windows.h>
#include <bcrypt.h>
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE bytes, SIZE_T count) {
    return BCryptGenRandom(NULL, bytes, (ULONG)count, BCRYPT_USE_SYSTEM_PREFERRED_RNG) >= 0;
}
"""


def double() -> tuple[Path, Interpreter]:
    """The archive and what it is; made once per content of this module."""
    key = hashlib.sha256(Path(__file__).read_bytes() + sys.version.encode()).hexdigest()[:16]
    archive = CACHE / f"python-3.11.9-double-{key}.zip"
    if not archive.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            _make(Path(folder), archive)
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    return archive, Interpreter("3.11.9", archive.name, sha256, double=True)


def bcryptprimitives(target: Path) -> None:
    """Make the system library that Rust's programs ask for random bytes; Wine 8 has none."""
    with tempfile.TemporaryDirectory() as folder:
        _compile(Path(folder), RANDOM, "-shared", "-O2", after=["-lbcrypt"], out=target)


def _make(folder: Path, archive: Path) -> None:
    donor, flat = folder / "donor", folder / "flat"
    (folder / "donor.txt").write_text(DONOR)
    command = [str(Path(sys.executable).with_name("uv")), "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
    command += ["--only-binary", ":all:", "--python", sys.executable, "--python-platform", "x86_64-pc-windows-msvc"]
    command += ["--link-mode", "copy", "--target", str(donor), "--requirements", str(folder / "donor.txt")]
    subprocess.run(command, check=True)
    flat.mkdir()
    for path in sorted((donor / "deploy_libs").iterdir()):
        wanted = path.suffix == ".pyd" or path.name.lower().startswith(("python311", "vcruntime", "lib", "sqlite3"))
        if wanted and path.name not in NOT_NEEDED:
            shutil.copy(path, flat / (path.name.lower() if path.suffix == ".dll" else path.name))
    library = flat / "python311.dll"
    _compile(folder, PROGRAM, "-municode", "-O2", after=[str(library)], out=flat / "python.exe")
    forwards = "".join(f"  {name} = python311.{name}\n" for name in _exports(library))
    (folder / "python3.def").write_text(f"LIBRARY python3\nEXPORTS\n{forwards}")
    _compile(folder, NOTHING, "-shared", "-nostdlib", after=[str(folder / "python3.def")], out=flat / "python3.dll")
    _standard_library(folder / "Lib", flat / "python311.zip")
    (flat / "python311._pth").write_text("python311.zip\n.\n")
    fresh = folder / archive.name
    _zip(flat, fresh)
    fresh.replace(archive)


def _standard_library(library: Path, archive: Path) -> None:
    unwanted = shutil.ignore_patterns(*LIBRARY_LEFT_OUT, "config-3.11*", "__pycache__")
    shutil.copytree(sysconfig.get_path("stdlib"), library, ignore=unwanted)
    assert compileall.compile_dir(library, quiet=2, legacy=True, stripdir=str(library))
    for path in library.rglob("*.py"):
        path.unlink()
    _zip(library, archive)


def _zip(folder: Path, archive: Path) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            member = zipfile.ZipInfo(path.relative_to(folder).as_posix(), (1980, 1, 1, 0, 0, 0))
            member.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(member, path.read_bytes())


def _exports(library: Path) -> list[str]:
    command = [COMPILER.replace("gcc", "objdump"), "-p", str(library)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    table = said[said.index("[Ordinal/Name Pointer] Table") :].split("\n\n")[0]
    return re.findall(r"^\s+\[\s*\d+\]\s+(?:\+base\[\s*\d+\]\s+\w+\s+)?(\w+)$", table, re.MULTILINE)


def _compile(folder: Path, source: str, *options: str, after: list[str], out: Path) -> None:
    path = folder / f"{out.stem}.c"
    path.write_text(source)
    subprocess.run([COMPILER, *options, "-o", out, path, *after], check=True)
