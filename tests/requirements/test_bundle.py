"""A bundle made from a small project, cut in tiny parts, damaged, and installed with no network.

The project has this repository's own scripts, and locks of three small packages that a folder serves as an index.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest

# pip asks for distutils and pkg_resources, for which setuptools stands in; what it says of that depends on the tests before these
pytestmark = [
    pytest.mark.filterwarnings("ignore:Setuptools is replacing distutils:UserWarning"),
    pytest.mark.filterwarnings("ignore:pkg_resources is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Deprecated call to .pkg_resources.declare_namespace:DeprecationWarning"),
]

REQUIREMENTS = Path(__file__).parents[2] / "requirements"
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
NETWORKLESS = ["unshare", "-rn"]


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"requirements_{name}", REQUIREMENTS / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


finder, parts, unbundle = load("finder"), load("parts"), load("unbundle")


def wheel(name: str, version: str, tag: str, files: dict[str, bytes]) -> tuple[str, bytes]:
    """File name and content of a wheel that holds `files`."""
    info = f"{name}-{version}.dist-info"
    files = files | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
    }
    sums = {path: base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode() for path, data in files.items()}
    record = "".join(f"{path},sha256={sums[path]},{len(data)}\n" for path, data in files.items()) + f"{info}/RECORD,,\n"
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for path, data in (files | {f"{info}/RECORD": record.encode()}).items():
            archive.writestr(path, data)
    return f"{name}-{version}-{tag}.whl", written.getvalue()


def installed(name: str) -> tuple[str, bytes]:
    """A wheel of a package as it is installed here."""
    distribution = metadata.distribution(name)
    found = {}
    for path in distribution.files or []:
        own = not path.parts[0].endswith(".dist-info") or path.name == "entry_points.txt"
        if own and not {"..", "__pycache__"} & set(path.parts) and path.suffix != ".pth":
            found[str(path)] = path.read_binary()
    return wheel(name, distribution.version, "py3-none-any", found)


def source_only() -> tuple[str, bytes]:
    files = {
        "setup.py": b"from setuptools import setup\nsetup(name='bundle-source', version='1.0', py_modules=['bundle_source'])\n",
        "bundle_source.py": b"VALUE = 2\n",
        "PKG-INFO": b"Metadata-Version: 2.1\nName: bundle-source\nVersion: 1.0\n",
    }
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as archive:
        for path, data in files.items():
            entry = tarfile.TarInfo(f"bundle_source-1.0/{path}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return "bundle_source-1.0.tar.gz", written.getvalue()


class Project:
    """A git clone with the scripts, an index beside it, and the bundle that was made."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.index, self.clone, self.out = folder, folder / "index", folder / "clone", folder / "out"
        packages = {
            "bundle-wheel": wheel(
                "bundle_wheel", "1.0", f"py3-none-manylinux_2_17_{platform.machine()}", {"bundle_wheel.py": b"VALUE = 1\n"}
            ),
            "bundle-source": source_only(),
            "pip": installed("pip"),
            "setuptools": installed("setuptools"),
        }
        for name, (file, content) in packages.items():
            page = self.index / name
            page.mkdir(parents=True)
            (page / file).write_bytes(content)
            (page / "index.html").write_text(f'<a href="{file}#sha256={hashlib.sha256(content).hexdigest()}">{file}</a>')
        own = self.clone / "requirements"
        own.mkdir(parents=True)
        for script in REQUIREMENTS.glob("*.py"):
            shutil.copy(script, own)
        setuptools = f"setuptools=={metadata.version('setuptools')}\n"
        (own / "bundle.txt").write_text(f"pip=={metadata.version('pip')}\n{setuptools}")
        (own / "gateway.txt").write_text(f"bundle-wheel==1.0\nbundle-source==1.0\nbundle-never==1.0 ; python_version < '3'\n{setuptools}")
        (self.clone / "pyproject.toml").write_text("[project]\nname = 'small'\nversion = '1'\n[tool.setuptools]\npackages = []\n")
        (self.clone / ".gitignore").write_text(".tools\n.venv\n*.egg-info\n__pycache__\n")
        self.git("init", "-q")
        self.git("add", ".")
        self.git("-c", "user.name=t", "-c", "user.email=t", "commit", "-q", "-m", "small")

    def git(self, *arguments: str) -> None:
        subprocess.run(["git", "-C", str(self.clone), *arguments], check=True)

    def environment(self, index: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
        home = {"HOME": str(self.folder), "XDG_CACHE_HOME": str(self.folder / "cache"), "PIP_CONFIG_FILE": os.devnull}
        return kept | home | {"PIP_INDEX_URL": index, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}

    def bundle(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(self.clone / "requirements" / "bundle.py"), "--target", "none", *arguments]
        return subprocess.run(command, env=self.environment(self.index.as_uri()), capture_output=True, text=True, check=False)

    def install(self, bundle: Path, *arguments: str, before: list[str] | None = None) -> subprocess.CompletedProcess[str]:
        """On the closed machine: pip's index is a port that nobody answers."""
        command = [*(before or []), sys.executable, str(bundle / "install.py"), *arguments]
        return subprocess.run(command, env=self.environment("http://127.0.0.1:9/"), capture_output=True, text=True, check=False)

    def copy(self, to: Path, **changes: str) -> Path:
        """The bundle as a stick brings it; `changes` to its manifest as if it had been made so."""
        shutil.copytree(self.out, to)
        manifest, sums = to / "manifest.json", to / "SHA256SUMS"
        old = hashlib.sha256(manifest.read_bytes()).hexdigest()
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | changes))
        sums.write_text(sums.read_text().replace(old, hashlib.sha256(manifest.read_bytes()).hexdigest()))
        return to


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = Project(tmp_path_factory.mktemp("bundle"))
    answer = made.bundle("--out", str(made.out), "--part", "200KiB")
    assert answer.returncode == 0, answer.stderr
    return made


def test_sha256sum_agrees_and_no_part_is_larger_than_asked(project):
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=project.out, check=True)
    listed = {line.split("  ")[1] for line in (project.out / "SHA256SUMS").read_text().splitlines()}
    assert listed == {path.name for path in project.out.iterdir()} - {"SHA256SUMS"}
    sizes = [path.stat().st_size for path in sorted(project.out.glob("*.part*"))]
    assert len(sizes) > 3
    assert set(sizes[:-1]) == {200 << 10}


def test_manifest_names_every_file_with_its_needs(project):
    manifest = json.loads((project.out / "manifest.json").read_text())
    names = {file["path"].split("-")[0] for file in manifest["files"]}
    assert names == {"source.tar", "wheels/bundle_wheel", "wheels/bundle_source", "wheels/pip", "wheels/setuptools"}
    assert (manifest["python"], manifest["glibc"], manifest["engine"]) == (PYTHON, "2.17", "none")


def test_damaged_download_is_fetched_again_and_the_parts_are_the_same(project, tmp_path):
    (stored,) = project.clone.glob(".tools/bundle/*/bundle_wheel-*.whl")
    stored.write_bytes(b"half a wheel")
    answer = project.bundle("--out", str(tmp_path / "again"), "--part", "200KiB")
    assert answer.returncode == 0, answer.stderr
    first, again = (json.loads((out / "manifest.json").read_text()) for out in (project.out, tmp_path / "again"))
    assert again["parts"] == first["parts"]


def test_installs_without_a_network_and_install_has_nothing_left_to_do(project, tmp_path):
    unshare = subprocess.run([*NETWORKLESS, "true"], capture_output=True, check=False).returncode == 0
    target = tmp_path / "closed"
    answer = project.install(project.copy(tmp_path / "stick"), "--to", str(target), before=NETWORKLESS if unshare else [])
    assert answer.returncode == 0, answer.stderr
    code = "import bundle_wheel, bundle_source; print(bundle_wheel.VALUE + bundle_source.VALUE)"
    run = [str(target / ".venv" / "bin" / "python"), "-c", code]
    assert subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=True).stdout == "3\n"
    assert not (target / ".tools" / "bundle" / "unpacked").exists()

    install = [sys.executable, str(target / "requirements" / "install.py")]  # what `make serve` runs first
    again = subprocess.run(install, env=project.environment("http://127.0.0.1:9/"), capture_output=True, text=True, check=False)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert "already" in project.install(tmp_path / "stick", "--to", str(target)).stdout


def test_every_missing_or_damaged_part_is_named_and_nothing_is_unpacked(project, tmp_path):
    stick = project.copy(tmp_path / "stick")
    first, second, third, *_ = sorted(stick.glob("*.part*"))
    first.unlink()
    content = bytearray(second.read_bytes())
    content[1000] ^= 1
    second.write_bytes(content)
    third.write_bytes(third.read_bytes()[:100])
    answer = project.install(stick, "--to", str(tmp_path / "closed"))
    assert answer.returncode == 1
    assert f"{first.name} is missing" in answer.stderr
    expected, found = (hashlib.sha256(data).hexdigest()[:16] for data in ((project.out / second.name).read_bytes(), content))
    assert f"{second.name} is damaged: expected sha256 {expected}..., found {found}..." in answer.stderr
    assert f"{third.name} has 100 bytes of {200 << 10}" in answer.stderr
    assert not (tmp_path / "closed").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"python": "3.99"}, f"the bundle is for Python 3.99, this is {PYTHON}"),
        ({"architecture": "riscv64"}, "the bundle is for Linux on riscv64"),
        ({"glibc": "9.9"}, "the bundle needs glibc 9.9 or newer"),
        ({"format": "other"}, "another format"),
    ],
)
def test_bundle_for_another_machine_is_refused(project, tmp_path, changes, words):
    answer = project.install(project.copy(tmp_path / "stick", **changes), "--to", str(tmp_path / "closed"))
    assert answer.returncode == 1
    assert words in answer.stderr
    assert not (tmp_path / "closed").exists()


def test_manifest_of_another_bundle_is_refused(project, tmp_path):
    stick = project.copy(tmp_path / "stick")
    (stick / "manifest.json").write_text((stick / "manifest.json").read_text().replace("none", "cuda"))
    answer = project.install(stick, "--check")
    assert answer.returncode == 1
    assert "manifest.json is damaged, or of another bundle" in answer.stderr


def test_unfinished_bundle_is_refused(project, tmp_path):
    stick = project.copy(tmp_path / "stick")
    (stick / "SHA256SUMS").unlink()
    assert "not a whole bundle" in project.install(stick, "--check").stderr


def test_folder_with_other_things_is_left_alone(project, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    made, put = project.bundle("--out", str(tmp_path)), project.install(project.out, "--to", str(tmp_path))
    assert "holds other things (mine.txt)" in made.stderr
    assert "is not empty" in put.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_clone_with_other_locks_is_refused(project, tmp_path):
    clone = shutil.copytree(project.clone, tmp_path / "clone", ignore=shutil.ignore_patterns(".tools"))
    with (clone / "requirements" / "gateway.txt").open("a") as lock:
        lock.write("more==1.0\n")
    command = [sys.executable, str(clone / "requirements" / "unbundle.py"), str(project.out)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 1
    assert "asks for other versions than the bundle has (gateway.txt)" in answer.stderr


def test_uncommitted_lock_is_refused(project):
    lock = project.clone / "requirements" / "gateway.txt"
    before = lock.read_text()
    lock.write_text(before + "more==1.0\n")
    try:
        answer = project.bundle("--dry-run")
    finally:
        lock.write_text(before)
    assert answer.returncode == 1
    assert "not committed: requirements/gateway.txt" in answer.stderr


def test_package_that_no_index_has_is_named(project):
    shutil.move(project.index / "bundle-wheel", project.folder / "aside")
    try:
        answer = project.bundle("--dry-run")
    finally:
        shutil.move(project.folder / "aside", project.index / "bundle-wheel")
    assert answer.returncode == 1
    assert f"no file for Python {PYTHON} on {platform.machine()} where pip looks: bundle-wheel==1.0." in answer.stderr


def test_wheel_for_newer_systems_is_named_with_the_platform_that_takes_it(project):
    answer = project.bundle("--dry-run", "--platform", f"manylinux_2_16_{platform.machine()}")
    assert answer.returncode == 1
    assert f"bundle-wheel==1.0. PLATFORM=manylinux_2_17_{platform.machine()} takes them" in answer.stderr


def test_dry_run_lists_sizes_and_writes_no_bundle(project, tmp_path):
    answer = project.bundle("--dry-run", "--out", str(tmp_path / "none"), "--python-version", "3.13")
    assert answer.returncode == 0, answer.stderr
    assert "bundle_source-1.0.tar.gz  (source only: built here)" in answer.stdout
    assert "Nothing was downloaded" in answer.stdout
    assert not (tmp_path / "none").exists()


def test_interrupted_unpacking_keeps_what_is_whole(project, tmp_path):
    manifest = unbundle.read_manifest(project.out)
    unbundle.unpack(project.out, manifest, tmp_path)
    (whole,) = tmp_path.glob("wheels/pip-*.whl")
    (half,) = tmp_path.glob("wheels/setuptools-*.whl")
    os.utime(whole, (1, 1))
    half.write_bytes(half.read_bytes()[:1000])
    unbundle.unpack(project.out, manifest, tmp_path)
    assert whole.stat().st_mtime == 1
    assert all(unbundle.whole(tmp_path / file["path"], file) for file in manifest["files"])


def test_update_removes_what_the_older_source_had_and_leaves_own_files(tmp_path):
    def source(*names: str) -> Path:
        with tarfile.open(tmp_path / "source.tar", "w") as archive:
            for name in names:
                archive.addfile(tarfile.TarInfo(name))
        return tmp_path / "source.tar"

    folder = tmp_path / "sllm"
    (folder / ".tools" / "bundle").mkdir(parents=True)
    unbundle.unpack_source(source("old.py", "both.py"), folder)
    (folder / "own.yaml").touch()
    unbundle.unpack_source(source("both.py", "new.py"), folder)
    assert {path.name for path in folder.iterdir() if path.is_file()} == {"both.py", "new.py", "own.yaml"}


def test_too_little_room_is_said_before_anything_is_read(tmp_path):
    with pytest.raises(unbundle.UnbundleError, match="GB more are needed"):
        unbundle.room(tmp_path / "not" / "there", 10**18)


@contextmanager
def server_that_breaks_off(content: bytes) -> Iterator[tuple[str, list[str | None]]]:
    """An HTTP server that ends the first answer half way; what was asked for as Range is in the list."""
    asked: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers["Range"]
            asked.append(wanted)
            start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
            self.send_response(206 if wanted else 200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            self.wfile.write(content[start:] if wanted else content[: len(content) // 2])

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


def test_download_that_breaks_off_goes_on_where_it_was(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    content = os.urandom(3 << 20)
    with server_that_breaks_off(content) as (url, asked):
        file = finder.Found("a==1", f"{url}/a-1-py3-none-any.whl", hashlib.sha256(content).hexdigest())
        finder.fetch(file, tmp_path, wait=lambda _: None)
    assert (tmp_path / file.name).read_bytes() == content
    assert asked[0] is None
    assert asked[1:]
    assert all(re.fullmatch(r"bytes=[1-9]\d*-", str(wanted)) for wanted in asked[1:])


def test_download_that_is_not_what_the_index_says_is_deleted(tmp_path):
    (tmp_path / "a-1-py3-none-any.whl").write_bytes(b"something else")
    file = finder.Found("a==1", (tmp_path / "a-1-py3-none-any.whl").as_uri(), hashlib.sha256(b"a").hexdigest())
    with pytest.raises(finder.FetchError, match="not what the index says"):
        finder.fetch(file, tmp_path)
    assert not (tmp_path / "a-1-py3-none-any.whl.unfinished").exists()


def test_markers_count_for_the_target_and_not_for_this_python(tmp_path):
    lock = tmp_path / "lock.txt"
    lock.write_text("a==1 ; python_full_version < '3.12'\na==2 ; python_full_version >= '3.12'\nb==1 ; platform_machine == 'aarch64'\n")
    assert finder.pins(lock, finder.Target("3.11", "x86_64", 28)) == ["a==1"]
    assert finder.pins(lock, finder.Target("3.13", "aarch64", 28)) == ["a==2", "b==1"]


def test_most_portable_platform_is_asked_for_first():
    platforms = finder.Target("3.12", "x86_64", 28).platforms()
    assert platforms.index("manylinux2014_x86_64") < platforms.index("manylinux_2_28_x86_64")
    assert "manylinux_2_29_x86_64" not in platforms


@pytest.mark.parametrize(("text", "size"), [("2GiB", 2 << 30), ("700MB", 700 * 10**6), ("4.3G", 4_300_000_000), ("200KiB", 200 << 10)])
def test_sizes_of_parts(text, size):
    assert parts.parse_size(text) == size


@pytest.mark.parametrize("text", ["", "2XB", "-1GB", "10"])
def test_impossible_size_of_parts(text):
    with pytest.raises(parts.PartError, match="2GiB or 700MB"):
        parts.parse_size(text)
