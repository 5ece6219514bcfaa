"""`.ci/mysql-server` finds a server or fetches one, and believes nothing it did not check."""

from __future__ import annotations

import hashlib
import io
import lzma
import os
import platform
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.support.imports import ROOT

TOOL = ROOT / ".ci" / "mysql-server"
MACHINE = {
    "x86_64": ("amd64", "x86_64-linux-gnu", "ld-linux-x86-64.so.2"),
    "aarch64": ("arm64", "aarch64-linux-gnu", "ld-linux-aarch64.so.1"),
}.get(platform.machine() if sys.platform == "linux" else "")

pytestmark = pytest.mark.skipif(MACHINE is None, reason="nothing can be fetched for this machine")


def packed(files: dict[str, str]) -> bytes:
    """A package of Debian with these files."""
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w:xz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size, member.mode = len(text.encode()), 0o755
            archive.addfile(member, io.BytesIO(text.encode()))
    parts = b"!<arch>\n"
    for member_name, data in ((b"debian-binary", b"2.0"), (b"data.tar.xz", inner.getvalue())):
        parts += member_name.ljust(48) + str(len(data)).encode().ljust(10) + b"`\n"
        parts += data + b"\n" * (len(data) % 2)
    return parts


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """A mirror with a server that says it is MySQL, its library, and what nobody needs."""
    assert MACHINE is not None
    architecture, libraries, loader = MACHINE
    folder = tmp_path / "mirror"
    says = "#!/bin/sh\necho 'mysqld  Ver 9.9.9'\n"
    packages = {
        "mysql-server-core": (
            {"usr/sbin/mysqld": "", "usr/share/mysql/x": "", "etc/mysql/x": ""},
            "libone (>= 1) | libother, adduser, gone | libthing2:any",
        ),
        "libone": ({f"usr/lib/{libraries}/{loader}": says}, ""),
        "libtwo": ({f"usr/lib/{libraries}/libtwo.so": ""}, "libone"),
        "adduser": ({"usr/share/mysql/never": ""}, ""),
    }
    index = ""
    for name, (files, needs) in packages.items():
        data = packed(files)
        file = folder / "pool" / f"{name}.deb"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        index += f"Package: {name}\nDepends: {needs}\nFilename: pool/{name}.deb\n"
        index += f"Size: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n"
        index += "Provides: libthing2 (= 1)\n\n" if name == "libtwo" else "\n"
    compressed = lzma.compress(index.encode())
    digest = hashlib.sha256(compressed).hexdigest()
    place = f"main/binary-{architecture}"
    by_hash = folder / "dists" / "sid" / place / "by-hash" / "SHA256" / digest
    by_hash.parent.mkdir(parents=True)
    by_hash.write_bytes(compressed)
    release = f"Suite: sid\nSHA256:\n {digest}  {len(compressed)} {place}/Packages.xz\n"
    (folder / "dists" / "sid" / "InRelease").write_text(release)
    return folder


def run(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the tool where the only `mysqld` that is installed is MariaDB's."""
    programs = tmp_path / "programs"
    programs.mkdir(exist_ok=True)
    (programs / "mysqld").write_text("#!/bin/sh\necho 'mysqld  Ver 10.11-MariaDB'\n")
    (programs / "mysqld").chmod(0o755)
    environment = {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "UOW_DEBIAN_MIRROR": (tmp_path / "mirror").as_uri(),
    }
    return subprocess.run(
        [sys.executable, str(TOOL), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


def test_one_is_fetched_once(mirror: Path, tmp_path: Path) -> None:
    """The server and its libraries are unpacked, and nothing else; then they are there."""
    assert run(tmp_path, "--find").returncode == 1
    first = run(tmp_path)
    assert first.returncode == 0, first.stderr
    program = Path(first.stdout.strip())
    assert subprocess.run([program], capture_output=True, text=True, check=True).stdout
    for file in (mirror / "pool").iterdir():
        file.unlink()

    assert run(tmp_path).stdout == run(tmp_path, "--find").stdout == first.stdout
    found = {str(file.relative_to(program.parent)) for file in program.parent.rglob("*.*")}
    assert any("libtwo" in name for name in found)
    names = {file.name for file in program.parent.rglob("*") if file.is_file()}
    assert "never" not in names
    assert "etc" not in {file.name for file in program.parent.iterdir()}


@pytest.mark.parametrize("file", ["pool/libone.deb", "dists/sid/main/*/by-hash/SHA256/*"])
def test_what_was_changed_is_refused(mirror: Path, tmp_path: Path, file: str) -> None:
    """A package or an index that is not what is said of it is not used, and nothing is left."""
    (changed,) = mirror.glob(file)
    data = changed.read_bytes()
    changed.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    answer = run(tmp_path)

    assert answer.returncode != 0
    assert "is not what the index says" in answer.stderr
    assert [one.name for one in (tmp_path / "cache" / "uow-tests").iterdir()] == ["mysql.lock"]


def test_an_installed_one_is_taken(tmp_path: Path) -> None:
    """Where MySQL is installed nothing is fetched."""
    run(tmp_path, "--find")  # makes the folder of programs
    program = tmp_path / "programs" / "mysqld"
    environment = {"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}
    program.write_text("#!/bin/sh\necho 'mysqld  Ver 8.4.0 for Linux (MySQL Community Server)'\n")
    answer = subprocess.run(
        [sys.executable, str(TOOL)], capture_output=True, text=True, check=True, env=environment
    )

    assert Path(answer.stdout.strip()) == program
