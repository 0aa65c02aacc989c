"""What is asked of servers: metadata and the chunks of the box, each once; unsigned or signed; and no word of keys."""

import json
import math
import os
import ssl
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import trustme

from ifcb_abundance.stores.array_metadata import Told
from ifcb_abundance.stores.arrays import open_array
from ifcb_abundance.stores.boxes import IndexBox
from ifcb_abundance.stores.places import ArrayError, Place
from ifcb_abundance.stores.view import describe_array, view_array
from tests.s3_server import S3Server, error
from tests.stores.array_files import below, made_data, served, unpack, write_n5, write_zarr

VALUES = np.random.default_rng(1).integers(0, 255, (20, 30, 40), np.uint8)
BOX = {"unit": "voxel", "z": [9, 13], "y": [3, 21], "x": [16, 30]}
KEYS = {
    "labels": None,
    "endpoint_url": None,
    "anonymous": True,
    "scale": 0,
    "box": BOX,
    "axes": None,
    "voxel_nm": None,
    "offset_nm": None,
}
ALL = {"nm_zyx.v2.zarr/volumes/raw": 0, "nm_zyx.v3.zarr/raw": 0, "nm_xyz.n5/raw": 0, "ome_0.4.zarr": 0}
ALL |= {"ome_0.5.zarr": 1, "pyramid.n5/em": 1, "image.precomputed": 0, "ome_0.4.zarr/0": 0, "pyramid.n5/em/s2": 0}


def view(folder: Path, url: str, scale: int = 0, **keys: object) -> dict[str, np.ndarray]:
    wanted = {**KEYS, "url": url, "scale": scale, **keys}
    files = {end: str(folder / f"a.{end}") for end in ("npz", "png", "txt")}
    describe_array("a", wanted, str(folder / "a.json"))
    view_array(wanted, str(folder / "a.json"), files)
    return dict(np.load(files["npz"]))


def chunks_of(description: Path) -> int:
    entry = json.loads(description.read_text())
    box, chunk = entry["box_zyx"], entry["chunk_zyx"]
    touched = [(b - 1) // n - a // n + 1 for a, b, n in zip(box["lower"], box["upper"], chunk, strict=True)]
    return math.prod(touched)


@made_data
@pytest.mark.parametrize("bucket", [False, True])
def test_a_box_that_touches_n_chunks_makes_at_most_n_and_5_requests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bucket: bool
) -> None:
    """The description and the picture together, over HTTP and from a bucket of Google."""
    made = unpack(tmp_path)
    with served(made) as web:
        monkeypatch.setenv("TENSORSTORE_GCS_HTTP_URL", web.url)
        for name, scale in ALL.items():
            web.asked.clear()
            url = f"gs://bucket/{name}" if bucket else f"{web.url}/{name}"
            got = view(tmp_path, url, scale, box={"unit": "nm", "z": [210, 640], "y": [100, 330], "x": [121, 200]})
            local = view(
                tmp_path, str(made / name), scale, box={"unit": "nm", "z": [210, 640], "y": [100, 330], "x": [121, 200]}
            )
            assert np.array_equal(got["raw"], local["raw"])
            assert len(web.asked) <= chunks_of(tmp_path / "a.json") + 5, (name, web.asked)
            assert len(set(web.asked)) == len(web.asked), name


def test_only_the_chunks_of_the_box_are_asked_for(tmp_path: Path) -> None:
    write_zarr(tmp_path / "a", VALUES, [4, 8, 16], resolution=[1, 1, 1])
    with served(tmp_path) as web:
        got = view(tmp_path, f"{web.url}/a")
        chunks = {path for path, _ in web.asked} - {f"/a/{name}" for name in ("zarr.json", ".zarray", ".zattrs")}
    assert chunks == {f"/a/{z}.{y}.1" for z in (2, 3) for y in (0, 1, 2)}
    assert np.array_equal(got["raw"], VALUES[9:13, 3:21, 16:30])


def test_the_path_of_a_web_address_is_escaped_once(tmp_path: Path) -> None:
    """As written in the config, with escapes or without."""
    asked = {
        "a%20b": "/a%20b/.zarray",
        "ü": "/%C3%BC/.zarray",
        "%C3%BC": "/%C3%BC/.zarray",
        "a+b": "/a+b/.zarray",
        "(a)": "/(a)/.zarray",
        "a:b": "/a:b/.zarray",
        "a,b": "/a,b/.zarray",
        "100%": "/100%25/.zarray",
    }
    for folder in ("a b", "ü", "a+b", "(a)", "a:b", "a,b", "100%"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / ".zarray").write_text("{}")
    with served(tmp_path) as web:
        for name, path in asked.items():
            assert Place(f"{web.url}/{name}").read(".zarray") == b"{}"
            assert web.asked[-1][0] == path


def test_a_slash_at_the_end_of_the_servers_address_is_not_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "s3" / "bucket" / "a").mkdir(parents=True)
    (tmp_path / "s3" / "bucket" / "a" / ".zarray").write_text("{}")
    with served(tmp_path) as web:
        assert Place("s3://bucket/a", f"{web.url}/s3/").read(".zarray") == b"{}"
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"{web.url}/s3/")
        assert Place("s3://bucket/a").read(".zarray") == b"{}"
    assert [path for path, _ in web.asked] == ["/s3/bucket/a/.zarray"] * 2


@pytest.mark.parametrize(("scheme", "variable"), [("s3", "AWS_CA_BUNDLE"), ("https", "REQUESTS_CA_BUNDLE")])
def test_the_private_authority_of_a_server_is_named_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str, variable: str
) -> None:
    """In a process of its own: tensorstore looks for it once."""
    authority, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    (tmp_path / "bucket").mkdir()
    (tmp_path / "bucket" / ".zarray").write_text('{"here": 1}')
    for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "TENSORSTORE_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    with served(tmp_path, tls=tls) as web:
        place = Place("s3://bucket", web.url) if scheme == "s3" else Place(f"{web.url}/bucket")
        with pytest.raises(ArrayError, match=f"certificate.* name the file of .* environment variable {variable}$"):
            place.read(".zarray")
        code = f"from ifcb_abundance.stores.places import Place; print({place!r}.read('.zarray'))"
        env = {**os.environ, variable: str(tmp_path / "authority.pem"), "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == """b'{"here": 1}'""", done.stderr


@pytest.mark.parametrize("fill", [0, None, "NaN"])
def test_an_array_that_is_gone_when_its_box_is_read_is_not_an_empty_one(tmp_path: Path, fill: str | int | None) -> None:
    """Chunks that are not there have the fill value as long as the metadata are there."""
    values = VALUES.astype(np.float32)
    folder = write_zarr(tmp_path / "a", values, [4, 8, 16], resolution=[1, 1, 1])
    metadata = folder / ".zarray"
    metadata.write_text(json.dumps({**json.loads(metadata.read_text()), "fill_value": fill}))
    with served(tmp_path) as web:
        array = open_array(Place(f"{web.url}/a"))
        box = IndexBox((9, 3, 16), (13, 21, 30))
        (folder / "2.0.1").unlink()
        web.asked.clear()
        expected = values[9:13, 3:21, 16:30].copy()
        expected[:3, :5] = np.nan if fill == "NaN" else 0
        assert np.array_equal(array.read(box), expected, equal_nan=True)
        assert len(web.asked) == 6
        for chunk in folder.glob("[0-9]*"):
            chunk.unlink()
        assert np.array_equal(array.read(box), np.full((4, 18, 14), np.nan if fill == "NaN" else 0), equal_nan=True)
        metadata.unlink()
        with pytest.raises(ArrayError, match=r"/a: \.zarray was there and is gone: check url"):
            array.read(box)


def test_a_file_of_metadata_that_the_server_refuses_is_not_one_that_is_not_there(tmp_path: Path) -> None:
    write_zarr(tmp_path / "group" / "a", VALUES, [4, 8, 16], resolution=[1, 1, 1])
    with served(tmp_path, ".zattrs", fault=(403, b"")) as web:
        group = f"{web.url}/group"
        view(tmp_path, f"{group}/a", voxel_nm=[2, 2, 2])
        unused = "may not be read: if it is there, what it says of voxels, offset and axes is not used"
        assert json.loads((tmp_path / "a.json").read_text())["notes"] == [
            f"{group}/a/.zattrs {unused}",
            f"{group}/.zattrs {unused}",
        ]
        with pytest.raises(ArrayError, match=rf"in nm \({group}/a/.zattrs and {group}/.zattrs may not be read\): set"):
            view(tmp_path, f"{group}/a")
        with pytest.raises(ArrayError, match=r"group/\.zattrs: .*HTTP 403"):  # of OME-Zarr
            view(tmp_path, group)
    datasets = [{"path": "a", "coordinateTransformations": [{"type": "scale", "scale": [1, 1, 1]}]}]
    (tmp_path / "group" / ".zattrs").write_text(
        json.dumps({"multiscales": [{"axes": list("zyx"), "datasets": datasets}]})
    )
    with (
        served(tmp_path, "a/.zarray", fault=(403, b"")) as web,
        pytest.raises(ArrayError, match=r"a/\.zarray: .*HTTP 403"),
    ):
        view(tmp_path, f"{web.url}/group", voxel_nm=[2, 2, 2])


def test_the_group_of_an_array_of_n5_is_refused(tmp_path: Path) -> None:
    write_n5(tmp_path / "group" / "s0", VALUES)
    with served(tmp_path, "group/attributes.json", fault=(403, b"")) as web:
        found = open_array(Place(f"n5://{web.url}/group/s0"), 0, Told(voxel_nm=[2, 2, 2]))
        assert [note.partition(": if")[0] for note in found.notes] == [
            f"{web.url}/group/attributes.json may not be read"
        ]


@pytest.mark.parametrize("status", [301, 302, 307])
def test_an_address_that_has_moved(tmp_path: Path, status: int) -> None:
    """Of metadata and of a chunk."""
    write_zarr(tmp_path / "bucket" / "a", VALUES, [4, 8, 16], resolution=[1, 1, 1])
    body = b"<Error><Code>PermanentRedirect</Code><Endpoint>bucket.s3-eu-west-1.amazonaws.com</Endpoint></Error>"
    for broken, what in ((".zarray", "a/.zarray: "), ("/2.0.1", "a: a chunk cannot be read: .*")):
        with served(tmp_path, broken, fault=(status, body)) as web:
            moved = rf"{what}the address has moved \(HTTP {status}\)\. Redirects are not followed: "
            with pytest.raises(ArrayError, match=f"{moved}set url to the address that a browser is led to$"):
                view(tmp_path, f"{web.url}/bucket/a")
            now = r"its server is now bucket\.s3-eu-west-1\.amazonaws\.com\. Check url and endpoint_url$"
            with pytest.raises(ArrayError, match=moved + now):
                view(tmp_path, "s3://bucket/a", endpoint_url=web.url)


def test_credentials_that_have_expired_or_are_not_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    advice = r"Check your credentials \(environment, ~/.aws or the machine's role\), or get new ones$"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATESTS")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "tests")
    with served(tmp_path, "bucket", fault=(400, b"<Error><Code>ExpiredToken</Code></Error>")) as web:
        with pytest.raises(ArrayError, match=rf"ExpiredToken \(HTTP 400\)\. {advice}"):
            open_array(Place("s3://bucket/a", web.url, anonymous=False))
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        with pytest.raises(ArrayError, match=f"Failed to get credentials .*{advice}"):
            open_array(Place("s3://bucket/a", web.url, anonymous=False))


def test_the_alias_of_an_access_point_is_refused() -> None:
    message = "such as the alias of an access point: set url to the bucket behind it or, if it is public, to its https"
    with pytest.raises(ArrayError, match=message):
        open_array(Place("s3://public-a1b2c3d4-s3alias/a", "http://127.0.0.1:9"))


def test_a_key_may_begin_with_a_slash(tmp_path: Path) -> None:
    """As in stores; above it, there is no folder."""
    with served(tmp_path) as web:
        for scheme in ("s3://bucket", f"{web.url}/bucket"):
            Place(f"{scheme}//a", web.url).read(".zarray")
            assert web.asked[-1][0] == "/bucket//a/.zarray"
    assert Place("s3://bucket//a").above() is None
    assert Place("s3://bucket//a/b").above() == (Place("s3://bucket//a"), "b")


def logins_in_a_file(home: Path, monkeypatch: pytest.MonkeyPatch, **profiles: tuple[str, str]) -> None:
    """Credentials in ~/.aws alone, a profile for each name."""
    file = home / ".aws" / "credentials"
    file.parent.mkdir(parents=True, exist_ok=True)
    sections = [
        f"[{name}]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n"
        for name, (key, secret) in profiles.items()
    ]
    file.write_text("".join(sections))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)


def test_a_bucket_of_s3_unsigned_and_signed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    write_zarr(tmp_path / "x.zarr" / "raw", VALUES, [4, 8, 16], resolution=[1, 1, 1])
    write_n5(tmp_path / "x.n5" / "raw", VALUES, resolution=[1, 1, 1])
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    with S3Server() as server:
        server.put("bucket", below(tmp_path))
        got = view(tmp_path, "s3://bucket/x.zarr/raw", endpoint_url=server.url)
        assert np.array_equal(got["raw"], VALUES[9:13, 3:21, 16:30])
        assert {request.signed for request in server.requests} == {False}
        assert len(server.requests) <= 6 + 5
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        for url, arrays in (
            ("s3://bucket/x.zarr", "'s3://bucket/x.zarr/raw'"),
            ("s3://bucket/x.n5", "'s3://bucket/x.n5/raw'"),
        ):
            with pytest.raises(ArrayError, match=f"is a group and no array. Set url to one of its arrays: {arrays}"):
                open_array(Place(url))
        busy = iter([error(503, "SlowDown")])
        server.fault = lambda request: next(busy, None) if request.listed is not None else None
        with pytest.raises(ArrayError, match=r"Set url to one of its arrays: 's3://bucket/x\.n5/raw'"):
            open_array(Place("s3://bucket/x.n5"))
        assert next(busy, None) is None
        server.fault = None
        with pytest.raises(ArrayError, match="there is no such bucket"):
            open_array(Place("s3://another/x.zarr"))
        key, secret = server.user("reader_of_arrays", ["s3:GetObject", "s3:ListBucket"])
        server.want_logins(True)
        with pytest.raises(ArrayError, match=r"HTTP 403.*set anonymous: false to use your credentials"):
            open_array(Place("s3://bucket/x.zarr/raw"))
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
        server.clear()
        got = view(tmp_path, "s3://bucket/x.zarr/raw", anonymous=False)
        assert np.array_equal(got["raw"], VALUES[9:13, 3:21, 16:30])
        assert {request.signed for request in server.requests} == {True}
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
        with pytest.raises(ArrayError, match="your credentials") as caught:
            view(tmp_path, "s3://bucket/x.zarr/raw", anonymous=False)
        logins_in_a_file(tmp_path / "home", monkeypatch, default=(key, "wrong"), reader=(key, secret))
        with pytest.raises(ArrayError, match="HTTP 403"):
            view(tmp_path, "s3://bucket/x.zarr/raw", anonymous=False)
        monkeypatch.setenv("AWS_PROFILE", "reader")
        got = view(tmp_path, "s3://bucket/x.zarr/raw", anonymous=False)
        assert np.array_equal(got["raw"], VALUES[9:13, 3:21, 16:30])
        logins_in_a_file(tmp_path / "home", monkeypatch, default=(key, secret))
        server.clear()
        view(tmp_path, "s3://bucket/x.zarr/raw", anonymous=False)
        assert {request.signed for request in server.requests} == {True}
    written = "".join((tmp_path / f"a.{end}").read_text() for end in ("json", "txt"))
    assert key not in str(caught.value) + written + "".join(capfd.readouterr())


def test_a_group_on_a_server_that_lists_nothing(tmp_path: Path) -> None:
    """Consolidated metadata name the arrays; without them there is still a sentence."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / ".zgroup").write_text('{"zarr_format": 2}')
    (tmp_path / "b").mkdir()
    entry = {"node_type": "group", "zarr_format": 3, "attributes": {}}
    nodes = {"raw": {"node_type": "array"}, "deep": {"node_type": "group"}, "deep/ids": {"node_type": "array"}}
    (tmp_path / "b" / "zarr.json").write_text(json.dumps({**entry, "consolidated_metadata": {"metadata": nodes}}))
    with served(tmp_path) as web:
        with pytest.raises(ArrayError, match="/a is a group and no array, and its server does not list it: set url"):
            open_array(Place(f"{web.url}/a"))
        metadata = {".zgroup": {}, "x/.zarray": {}, "x/.zattrs": {}}
        (tmp_path / "a" / ".zmetadata").write_text(json.dumps({"metadata": metadata}))
        with pytest.raises(
            ArrayError, match=r"/a is a group and no array. Set url to one of its arrays: 'http.*/a/x'$"
        ):
            open_array(Place(f"{web.url}/a"))
        with pytest.raises(ArrayError, match=r"one of its arrays: 'http.*/b/deep/ids', 'http.*/b/raw'$"):
            open_array(Place(f"{web.url}/b"))


def test_a_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ifcb_abundance.stores.places._RETRIES", {"max_retries": 1, "initial_delay": "1ms"})
    with pytest.raises(ArrayError, match=r"onnect.*Check url and endpoint_url, and this machine's network"):
        open_array(Place("http://127.0.0.1:9/a"))
