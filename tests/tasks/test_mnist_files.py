"""MNIST's files: found, checked, fetched from mirrors; whatever is wrong with them is one clear error.

The official checksums cannot be met by made-up images, so most tests bring small files with checksums of their own,
and mirrors that are real HTTP servers on the loopback interface.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from levelfield.tasks import mnist, registry
from levelfield.tasks.errors import UserError
from levelfield.tasks.mnist import OFFICIAL, Archive, Archives

NO_MIRROR = ("http://127.0.0.1:9/",)  # the discard port: nothing listens


def idx(array: np.ndarray) -> bytes:
    """An IDX file of unsigned bytes."""
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return header + array.astype(np.uint8).tobytes()


@pytest.fixture(scope="module")
def contents() -> dict[str, bytes]:
    """Four small files: 120 images of 3×3 pixels for learning, 30 for the test, ten classes."""
    rng = np.random.default_rng(0)
    return {
        "train-images": idx(rng.integers(0, 256, (120, 3, 3))),
        "train-labels": idx(np.arange(120) % 10),
        "test-images": idx(rng.integers(0, 256, (30, 3, 3))),
        "test-labels": idx(np.arange(30) % 10),
    }


@pytest.fixture(scope="module")
def archives(contents: dict[str, bytes]) -> Archives:
    shapes = [(120, 3, 3), (120,), (30, 3, 3), (30,)]
    return Archives(
        *(
            Archive(name, hashlib.md5(content, usedforsecurity=False).hexdigest(), shape)
            for (name, content), shape in zip(contents.items(), shapes, strict=True)
        )
    )


@pytest.fixture(autouse=True)
def _no_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the user's proxies nor the user's folders take part."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name == "LEVELFIELD_DATA":
            monkeypatch.delenv(name)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


Put = Callable[..., Path]


@pytest.fixture
def put(tmp_path: Path, contents: dict[str, bytes]) -> Put:
    """Writes the four files into a folder, as they are or gzipped; `changes` replaces the bytes of some."""

    def write(folder: str = "data", *, zipped: bool = True, changes: dict[str, bytes] | None = None) -> Path:
        target = tmp_path / folder
        target.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            data = gzip.compress(content) if zipped else content
            (target / (f"{name}.gz" if zipped else name)).write_bytes((changes or {}).get(name, data))
        return target

    return write


@pytest.fixture
def serve() -> Iterator[Callable[[type[BaseHTTPRequestHandler] | partial], str]]:
    """Starts HTTP servers on the loopback interface and gives their addresses."""
    servers = []

    def start(handler: type[BaseHTTPRequestHandler] | partial) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


class Quiet(BaseHTTPRequestHandler):
    """A mirror that answers every request with the same `body`."""

    body = b""
    status = 200
    length: int | None = None
    headers_sent: tuple[tuple[str, str], ...] = ()

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Length", str(self.length or len(self.body)))
        for header in self.headers_sent:
            self.send_header(*header)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        pass


class Folder(SimpleHTTPRequestHandler):
    """A mirror that serves a folder."""

    def log_message(self, *_: object) -> None:
        pass


def answering(**facts: object) -> type[Quiet]:
    return type("Answering", (Quiet,), facts)


# ---- files that are there


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("folder", ["data", "data/mnist"])
def test_files_are_read_gzipped_or_not_in_the_folder_or_its_subfolder(
    put: Put, tmp_path: Path, archives: Archives, zipped: bool, folder: str
) -> None:
    put(folder, zipped=zipped)
    task = mnist.load(data_dir=tmp_path / "data", archives=archives, mirrors=NO_MIRROR)
    assert [len(split.x) for split in (task.train, task.validation, task.test)] == [100, 20, 30]
    assert task.features == 9
    assert task.outputs == 10
    assert task.test.y.tolist() == [i % 10 for i in range(30)]
    assert np.bincount(task.validation.y).tolist() == [2] * 10
    assert task.train.x.dtype == np.float32
    assert task.train.y.dtype == np.int64
    assert task.train.x.mean() == pytest.approx(0, abs=1e-6)
    assert task.train.x.std() == pytest.approx(1, rel=1e-6)


def test_a_file_whose_suffix_lies_about_its_compression_is_read(
    put: Put, archives: Archives, contents: dict[str, bytes]
) -> None:
    folder = put(changes={"train-images": contents["train-images"]})  # plain bytes in a .gz
    assert mnist.load(data_dir=folder, archives=archives, mirrors=NO_MIRROR).features == 9


def test_the_folder_comes_from_the_argument_then_the_environment_then_the_cache(
    put: Put, tmp_path: Path, archives: Archives, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = put("named")
    assert "levelfield" in mnist.data_folder(None).parts
    monkeypatch.setenv("LEVELFIELD_DATA", str(named))
    assert mnist.data_folder(None) == named
    assert mnist.data_folder(tmp_path) == tmp_path
    assert mnist.load(archives=archives, mirrors=NO_MIRROR).features == 9


def test_a_folder_that_does_not_exist_is_an_error_and_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--data-dir: .*nowhere is not a folder"):
        mnist.load(data_dir=tmp_path / "nowhere")
    assert not list(tmp_path.iterdir())


def test_only_the_seed_decides_which_images_validate(put: Put, archives: Archives) -> None:
    load = partial(mnist.load, data_dir=put(), archives=archives, mirrors=NO_MIRROR)
    np.testing.assert_array_equal(load(1).validation.x, load(1).validation.x)
    np.testing.assert_array_equal(load(1).test.y, load(2).test.y)
    assert not np.array_equal(load(1).validation.x, load(2).validation.x)


# ---- files that are wrong


def flipped(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda content: gzip.compress(flipped(content)), "MD5"),
        (flipped, "MD5"),
        (lambda content: gzip.compress(content)[:-20], "unpacked"),
        (lambda content: flipped(gzip.compress(content)), "unpacked"),
        (lambda content: gzip.compress(content)[:12] + b"\xff" * 50, "unpacked"),
        (lambda content: content[:-5], "ends after 1,091 of 1,096 bytes"),
        (lambda content: gzip.compress(content[:-5]), "ends after 1,091 of 1,096 bytes"),
        (lambda content: gzip.compress(content + b"\0"), "more than 1,096 bytes"),
        (lambda content: content + b"\0", "more than 1,096 bytes"),
        (lambda content: gzip.compress(content + bytes(10**7)), "more than 1,096 bytes"),
        (lambda content: b"", "ends after 0"),
        (lambda content: b"<html>not found</html>", "header"),
        (lambda content: content[:3] + b"\x01" + content[4:], "header"),
        (lambda content: content[:4] + b"\0\0\0\x79" + content[8:], "header"),
        (lambda content: b"\0\0\x0d" + content[3:], "header"),
    ],
)
def test_a_wrong_file_is_an_error_that_names_it_and_it_is_not_replaced(
    put: Put,
    serve: Callable,
    archives: Archives,
    contents: dict[str, bytes],
    damage: Callable[[bytes], bytes],
    why: str,
) -> None:
    good = put("mirror")
    mirror = serve(partial(Folder, directory=good))
    wrong = damage(contents["train-images"])
    folder = put(changes={"train-images": wrong})
    with pytest.raises(UserError, match=why) as caught:
        mnist.load(data_dir=folder, archives=archives, mirrors=[mirror])
    assert str(folder / "train-images.gz") in caught.value.message
    assert (folder / "train-images.gz").read_bytes() == wrong
    assert len(list(folder.rglob("*"))) == 4


def test_a_bomb_is_not_unpacked(tmp_path: Path, archives: Archives, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "train-images.gz"
    path.write_bytes(gzip.compress(archives.train_images.header + bytes(50_000_000)))
    taken = []
    read = gzip.GzipFile.read
    monkeypatch.setattr(gzip.GzipFile, "read", lambda self, size=-1: taken.append(size) or read(self, size))
    with pytest.raises(UserError, match="more than"):
        mnist.read_idx(path, archives.train_images)
    assert taken == [archives.train_images.size + 1]


def test_swapped_files_are_noticed(put: Put, archives: Archives, contents: dict[str, bytes]) -> None:
    folder = put(changes={"train-labels": gzip.compress(contents["test-labels"])})
    with pytest.raises(UserError, match=r"train-labels.gz is not the train-labels of MNIST"):
        mnist.load(data_dir=folder, archives=archives, mirrors=NO_MIRROR)


def test_a_file_that_cannot_be_read_is_an_error(put: Put, archives: Archives) -> None:
    if os.geteuid() == 0:
        pytest.skip("the superuser can read every file")
    folder = put()
    (folder / "train-images.gz").chmod(0)
    with pytest.raises(UserError, match="cannot be unpacked or read"):
        mnist.load(data_dir=folder, archives=archives, mirrors=NO_MIRROR)


# ---- downloads


def test_absent_files_are_downloaded_once(put: Put, serve: Callable, tmp_path: Path, archives: Archives) -> None:
    mirror = serve(partial(Folder, directory=put("mirror")))
    home = tmp_path / "home"
    home.mkdir()
    task = mnist.load(data_dir=home, archives=archives, mirrors=[mirror])
    assert task.features == 9
    assert sorted(path.name for path in home.rglob("*") if path.is_file()) == [
        "test-images.gz",
        "test-labels.gz",
        "train-images.gz",
        "train-labels.gz",
    ]
    again = mnist.load(data_dir=home, archives=archives, mirrors=NO_MIRROR)
    np.testing.assert_array_equal(task.train.x, again.train.x)


def test_the_cache_is_made_when_it_is_needed(
    put: Put, serve: Callable, tmp_path: Path, archives: Archives, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pooch

    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache" / name)
    mnist.load(archives=archives, mirrors=[serve(partial(Folder, directory=put("mirror")))])
    assert (tmp_path / "cache" / "levelfield" / "mnist" / "train-images.gz").is_file()


def test_only_the_absent_files_are_downloaded(
    put: Put, serve: Callable, tmp_path: Path, archives: Archives, contents: dict[str, bytes]
) -> None:
    mirror = put("mirror")
    for name in ("train-images", "test-images"):
        (mirror / f"{name}.gz").unlink()
    folder = put("data")
    for name in ("train-labels", "test-labels"):
        (folder / f"{name}.gz").unlink()
    url = serve(partial(Folder, directory=mirror))
    assert mnist.load(data_dir=folder, archives=archives, mirrors=[url]).features == 9


@pytest.mark.parametrize(
    "first",
    [
        {"status": 404, "body": b"no such file"},
        {"status": 500, "body": b""},
        {"status": 302, "body": b"", "headers_sent": (("Location", "http://127.0.0.1:9/"),)},
        {"body": b"<html>please log in</html>"},
        {"body": gzip.compress(b"\0\0\x08\x03 something else")},
        {"body": gzip.compress(bytes(1000))[:-9], "length": 10**6},  # the connection ends early
        {"body": bytes(10**6)},
        {"body": b"not gzip", "headers_sent": (("Content-Encoding", "gzip"),)},
        {"body": gzip.compress(bytes(10**7)), "headers_sent": (("Content-Encoding", "gzip"),)},
    ],
    ids=lambda facts: "-".join(map(str, facts)),
)
def test_a_mirror_that_fails_gives_way_to_the_next_and_leaves_nothing(
    put: Put, serve: Callable, tmp_path: Path, archives: Archives, first: dict
) -> None:
    bad, good = serve(answering(**first)), serve(partial(Folder, directory=put("mirror")))
    home = tmp_path / "home"
    home.mkdir()
    with pytest.raises(UserError, match="cannot be downloaded") as caught:
        mnist.load(data_dir=home, archives=archives, mirrors=[bad])
    assert f"{bad}train-images.gz" in caught.value.message
    assert not [path for path in home.rglob("*") if path.is_file()]
    assert mnist.load(data_dir=home, archives=archives, mirrors=[bad, good]).features == 9
    assert len([path for path in home.rglob("*") if path.is_file()]) == 4


def test_a_download_is_cut_off_once_it_is_larger_than_the_file_can_be(
    serve: Callable, tmp_path: Path, archives: Archives
) -> None:
    with pytest.raises(UserError, match="sends more than"):
        mnist.load(data_dir=tmp_path, archives=archives, mirrors=[serve(answering(body=bytes(10**6)))])


def test_a_redirect_is_not_followed(put: Put, serve: Callable, tmp_path: Path, archives: Archives) -> None:
    """It could lead from https to http."""
    good = serve(partial(Folder, directory=put("mirror")))
    moved = answering(status=302, headers_sent=(("Location", f"{good}train-images.gz"),))
    home = tmp_path / "home"
    home.mkdir()
    with pytest.raises(UserError, match="train-images is not in"):
        mnist.load(data_dir=home, archives=archives, mirrors=[serve(moved)])


def test_a_mirror_that_unpacks_on_the_way_is_understood(
    serve: Callable, tmp_path: Path, archives: Archives, contents: dict[str, bytes]
) -> None:
    """Storage services may send a .gz as an encoding, which the client undoes."""
    body = gzip.compress(contents["test-labels"])
    mirror = serve(answering(body=body, headers_sent=(("Content-Encoding", "gzip"),)))
    paths = mnist.locate(tmp_path, Archives(*[archives.test_labels] * 4), [mirror])
    assert mnist.read_idx(paths[0], archives.test_labels).tolist() == [i % 10 for i in range(30)]


def test_without_network_and_files_the_error_says_which_files_go_where(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="train-images-idx3-ubyte is not in") as caught:
        mnist.load(data_dir=tmp_path, mirrors=NO_MIRROR)
    assert all(archive.file in caught.value.hint for archive in OFFICIAL)
    assert str(tmp_path / "mnist") in caught.value.hint
    assert "LEVELFIELD_DATA" in caught.value.hint


@pytest.mark.parametrize("mirror", ["http://192.0.2.1/", "ftp://127.0.0.1/", "file:///", "http://127.0.0.1.example/"])
def test_nothing_but_https_is_fetched_from_elsewhere(tmp_path: Path, mirror: str) -> None:
    with pytest.raises(UserError, match="only https is allowed"):
        mnist.load(data_dir=tmp_path, mirrors=[mirror])


def test_the_official_mirrors_are_two_and_https() -> None:
    assert len(mnist.MIRRORS) == 2
    assert all(mirror.startswith("https://") and mirror.endswith("/") for mirror in mnist.MIRRORS)


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path, archives: Archives) -> None:
    (tmp_path / "mnist").write_text("a file where the folder should be")
    with pytest.raises(UserError, match="cannot be made"):
        mnist.load(data_dir=tmp_path, archives=archives, mirrors=NO_MIRROR)


# ---- the real thing


def real_folder() -> Path | None:
    """Where the official files are kept beside the repository, or where the user says."""
    beside = Path(__file__).parents[3] / "shared" / "data"
    named = os.environ.get("LEVELFIELD_DATA")
    for place in [Path(named)] if named else [beside]:
        if all(
            any(
                (folder / f"{archive.file}{end}").is_file()
                for folder in (place, place / "mnist")
                for end in ("", ".gz")
            )
            for archive in OFFICIAL
        ):
            return place
    return None


REAL = real_folder()


@pytest.mark.skipif(REAL is None, reason="the official MNIST files are not at LEVELFIELD_DATA or ../shared/data/mnist")
def test_the_real_files_are_mnist() -> None:
    task = registry.load("mnist", data_dir=REAL)
    assert [split.x.shape for split in (task.train, task.validation, task.test)] == [
        (50_000, 784),
        (10_000, 784),
        (10_000, 784),
    ]
    # The counts of the digits 0 … 9 in the official test set, as published with it.
    assert np.bincount(task.test.y).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    whole = np.bincount(task.train.y) + np.bincount(task.validation.y)
    assert np.abs(np.bincount(task.validation.y) - whole / 6).max() < 1
    assert task.train.x.mean(dtype=np.float64) == pytest.approx(0, abs=1e-5)
    assert task.train.x.std(dtype=np.float64) == pytest.approx(1, abs=1e-5)
    assert len(np.unique(task.test.x)) == 256
