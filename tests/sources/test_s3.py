"""The S3 client, against a real S3 server on loopback: what lists tell, and parts of objects."""

import base64
import hashlib
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import botocore.session
import pytest
from botocore import UNSIGNED
from botocore.awsrequest import AWSPreparedRequest
from botocore.config import Config
from werkzeug.wrappers import Response

from ifcb_abundance.common.errors import RequestError
from ifcb_abundance.sources.faults import CHANGED, TRUNCATED
from ifcb_abundance.sources.retry import RequestOptions, Retrier
from ifcb_abundance.sources.s3 import ConfigKeys, Direct, S3Client, S3Object, _time
from tests.checkout import ROOT
from tests.s3_server import Request, S3Server, error

KEYS = ConfigKeys("stores.a.url", "stores.a.endpoint_url", "stores.a.anonymous", "stores.a.max_body_mb")
BODY = bytes(range(256)) * 4096  # 1 MiB: several pieces


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with S3Server() as server:
        files = {f"a/{n:02}": b"x" * n for n in range(25)}
        server.put("files", {**files, "a/deep/er": b"", "a/deep/": b"", "a2/x": b"", "a b/+&%ä": BODY})
        yield server


@pytest.fixture
def client(server: S3Server) -> Iterator[S3Client]:
    server.clear()
    yield opened(server)
    server.fault = server.page = None


def opened(server: S3Server, bucket: str = "files", **options: float) -> S3Client:
    options = {"retries": 2, "backoff": 0.01, "timeout": 10, **options}
    return S3Client(bucket, server.url, True, Retrier(RequestOptions(**options)), KEYS)  # type: ignore[arg-type]


def test_pages_are_asked_for_as_they_are_needed(server: S3Server, client: S3Client) -> None:
    server.page = 10
    pages = client.pages("a/")
    assert server.lists == []
    first = next(pages)
    assert [found.key for found in first.objects] == [f"a/{n:02}" for n in range(10)]
    assert len(server.lists) == 1
    keys = [found.key for page in pages for found in page.objects]
    assert keys == [*(f"a/{n:02}" for n in range(10, 25)), "a/deep/", "a/deep/er"]
    assert server.lists == ["a/"] * 3


def test_a_list_tells_size_checksum_and_time(client: S3Client) -> None:
    (page,) = client.pages("a b/")
    (found,) = page.objects
    assert (found.key, found.size, found.etag) == ("a b/+&%ä", 1 << 20, hashlib.md5(BODY).hexdigest())
    assert abs(datetime.now(UTC) - found.modified) < timedelta(hours=1)


@pytest.mark.parametrize(
    "text",
    [
        "2024-02-15T15:00:55.000Z",
        "2024-02-15T16:00:55+01:00",
        "Thu, 15 Feb 2024 15:00:55 GMT",
        "1708009255",
        1708009255,
    ],
)
def test_times_of_answers_in_any_format(text: str | int) -> None:
    assert _time(text) == datetime(2024, 2, 15, 15, 0, 55, tzinfo=UTC)


def test_with_a_delimiter_only_what_lies_directly_below(client: S3Client) -> None:
    (top,) = client.pages(delimiter="/")
    assert (top.objects, top.folders) == ([], ["a b/", "a/", "a2/"])
    (below,) = client.pages("a/deep/", "/")
    assert ([found.key for found in below.objects], below.folders) == (["a/deep/", "a/deep/er"], [])
    assert list(client.pages("nothing")) == [([], [])]


def test_objects_whole_and_in_part(server: S3Server, client: S3Client) -> None:
    key = "a b/+&%ä"
    assert client.read(key) == BODY
    assert client.read("a/00") == b""
    assert client.read_start(key, 300_000) == BODY[:300_000]
    assert client.read_start(key, 1 << 30) == BODY
    assert client.read_range(key, 300_000, 500_000) == BODY[300_000:800_000]
    assert client.read_range(key, len(BODY) - 3, 500) == BODY[-3:]
    assert client.read_range(key, len(BODY), 500) == client.read_range(key, 5, 0) == b""
    ranges = [request.range for request in server.requests]
    assert ranges == [None] * 4 + ["bytes=300000-799999", "bytes=1048573-1049072", "bytes=1048576-1049075"]


def test_nothing_larger_than_allowed_is_read(server: S3Server) -> None:
    client = opened(server, max_body_mb=0.5)
    says = r"s3://files/a b/.*: the answer is larger than stores\.a\.max_body_mb \(0\.5 MB\)"
    for read in (
        lambda: client.read("a b/+&%ä"),
        lambda: client.read_start("a b/+&%ä", 600_000),
        lambda: client.read_range("a b/+&%ä", 0, 600_000),
    ):
        with pytest.raises(RequestError, match=says):
            read()
    assert len(client.read_start("a b/+&%ä", 400_000)) == 400_000


def test_a_body_of_another_length_than_was_listed_is_asked_for_again(server: S3Server, client: S3Client) -> None:
    """Its own length fits it, as after a proxy that has only a part of the object."""

    def cut_once() -> None:
        faults = iter([Response(b"xx", 200, {"ETag": '"1"'})])
        server.fault = lambda request: None if request.listed is not None else next(faults, None)
        server.clear()

    for read in (lambda: client.read("a/03", 3), lambda: client.read_start("a/03", 300, 3)):
        cut_once()
        assert read() == b"xxx"
        assert server.keys == ["files/a/03"] * 2
    cut_once()
    assert client.read_start("a/03", 2, 3) == b"xx"
    server.fault = lambda request: Response(b"xx", 200, {"ETag": '"1"'}) if request.listed is None else None
    with pytest.raises(RequestError, match=r"a/03 .*: 2 bytes of the 3 that were listed \(tried 3 times\)") as caught:
        client.read("a/03", 3)
    assert caught.value.kind == TRUNCATED


def test_an_object_that_has_changed_since_it_was_listed_is_read(server: S3Server, client: S3Client) -> None:
    """The list had 2 bytes of it. Where the length is right, the list is not asked."""
    assert client.read("a/03", 2) == client.read("a/03", 3) == client.read_start("a/03", 300, 4) == b"xxx"
    assert server.lists == ["a/03", "a/03"]
    assert server.keys == ["files/a/03"] * 3


def test_threads_share_one_client_and_its_connections(server: S3Server, client: S3Client) -> None:
    with ThreadPoolExecutor(8) as pool:
        bodies = list(pool.map(client.read, [f"a/{n:02}" for n in range(25)] * 4))
    assert [len(body) for body in bodies] == list(range(25)) * 4
    assert len(server.requests) == 100


def test_a_server_that_asks_to_wait_is_left_alone_so_long(
    server: S3Server, client: S3Client, caplog: pytest.LogCaptureFixture
) -> None:
    faults = iter([Response("", 503, headers={"Retry-After": "1"}), None])
    server.fault = lambda request: next(faults)  # noqa: ARG005
    assert client.read("a/03") == b"xxx"
    assert [message for message in caplog.messages if "HTTP 503; trying again in 1.0 s (1 of 2)" in message]
    server.fault = lambda request: Response("", 503, headers={"Retry-After": "86400"})  # noqa: ARG005
    server.clear()
    with pytest.raises(RequestError, match=r"s3://files/a/03 .*HTTP 503, and the server asks to wait .*86400"):
        client.read("a/03")
    assert len(server.requests) == 1


@pytest.mark.parametrize("code", ["SlowDown", "ThrottlingException", "RequestLimitExceeded"])
def test_a_server_that_has_too_much_to_do_is_asked_again_whatever_its_status(
    code: str, server: S3Server, client: S3Client
) -> None:
    faults = iter([error(400, code), None])
    server.fault = lambda request: next(faults)  # noqa: ARG005
    assert client.read("a/03") == b"xxx"


def test_messages_name_the_keys_of_the_section_that_opened_it(server: S3Server, client: S3Client) -> None:
    refusals: dict[str, Response] = {"a/01": error(403, "AccessDenied"), "a/02": error(404, "NoSuchKey")}
    refusals["a/03"] = error(403, "RequestTimeTooSkewed")

    def fault(request: Request) -> Response | None:
        return refusals.get(request.path.removeprefix("files/"))

    server.fault = fault
    for key, says in (
        (
            "a/01",
            r"unsigned requests \(stores\.a\.anonymous: true\).* Check stores\.a\.url and stores\.a\.endpoint_url",
        ),
        ("a/02", r"there is no such file.*check stores\.a\.url and stores\.a\.endpoint_url"),
        ("a/03", r"HTTP 403 RequestTimeTooSkewed: this machine's clock is wrong by more than the server allows"),
    ):
        with pytest.raises(RequestError, match=says):
            client.read(key)


# --- objects that are copied ---


class Bytes:
    """A sink in memory."""

    content_encoding = ""

    def __init__(self, body: bytes = b"") -> None:
        self.body = body

    @property
    def size(self) -> int:
        return len(self.body)

    def take(self, piece: bytes) -> None:
        self.body += piece

    def restart(self) -> None:
        self.body = b""


def listed(client: S3Client, key: str) -> S3Object:
    return next(client.pages(key)).objects[0]


def test_a_body_with_another_checksum_than_the_server_says_is_not_kept(server: S3Server, client: S3Client) -> None:
    crc32 = base64.b64encode(zlib.crc32(b"xxxxx").to_bytes(4, "big")).decode()
    bad = Response(b"xxxxy", 200, {"ETag": '"1-2"', "x-amz-checksum-crc32": crc32})
    found, sink = listed(client, "a/05")._replace(etag=""), Bytes()
    faults = iter([bad, None])
    server.fault = lambda request: next(faults)  # noqa: ARG005
    client.copy(found, sink)
    assert sink.body == b"xxxxx"
    assert [request.range for request in server.requests if request.listed is None] == [None, None]


def test_a_server_without_range_that_cuts_anywhere_is_asked_while_more_comes(
    server: S3Server, client: S3Client
) -> None:
    """After three tries 3 bytes of 24 are there, after six 5, and after nine 4, which is no progress."""
    found, sink = listed(client, "a/24"), Bytes()
    lengths = iter([1, 1, 3, 1, 1, 5, 1, 1, 4, 1, 1, 6])

    def fault(request: Request) -> Response | None:  # noqa: ARG001
        return Response(b"x" * next(lengths), 200, {"ETag": f'"{found.etag}"'})

    server.clear()
    server.fault = fault
    with pytest.raises(RequestError, match=r"a/24 .*: 4 bytes of the 24 that were listed"):
        client.copy(found, sink)
    assert len(server.requests) == 9


def test_an_object_that_ends_before_what_is_there_has_changed(server: S3Server, client: S3Client) -> None:
    """The server knows no If-Match: it says that there is nothing after the first 8 bytes."""
    found, sink = listed(client, "a/24"), Bytes(b"x" * 8)
    server.fault = lambda request: (
        error(416, "InvalidRange") if request.range else Response(b"short", 200, {"ETag": '"other"'})
    )
    server.clear()
    with pytest.raises(RequestError, match="it has changed since it was listed") as caught:
        client.copy(found, sink)
    assert caught.value.kind == CHANGED
    assert [request.range for request in server.requests] == ["bytes=8-", None]


def test_what_came_before_a_silence_is_kept(server: S3Server) -> None:
    """The second object, as boto3 asks for the first one, and keeps whole pieces only."""
    client = opened(server, timeout=0.3)
    client.copy(listed(client, "a/01"), Bytes())
    found, sink = listed(client, "a b/"), Bytes()
    over = threading.Event()

    def falls_silent() -> Iterator[bytes]:
        yield BODY[:100_000]
        over.wait(5)

    headers = {"ETag": f'"{found.etag}"', "Content-Length": str(len(BODY))}
    faults = iter([Response(falls_silent(), 200, headers), None])
    server.fault = lambda request: next(faults)  # noqa: ARG005
    server.clear()
    client.copy(found, sink)
    over.set()
    server.fault = None
    assert sink.body == BODY
    assert [request.range for request in server.requests] == [None, "bytes=100000-"]


def test_a_bucket_that_is_never_asked_imports_no_client() -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'workflow' / 'scripts')!r})\n"
        "from ifcb_abundance.sources.bucket import BucketSource\n"
        "BucketSource('s3://a/b').would_tell('D20240215T150055_IFCB010', 'x')\n"
        "assert not {'boto3', 'botocore'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --- objects asked for as boto3 asks for them ---


def sent(url: str, region: str = "", kind: str = "AWS4-HMAC-SHA256") -> AWSPreparedRequest:
    """A request of boto3, signed if a region is given."""
    signature = f"{kind} Credential=AKIA/20240102/{region}/s3/aws4_request, SignedHeaders=host, Signature=1"
    return AWSPreparedRequest("GET", url, {"Authorization": signature} if region else {}, None, True)


def test_boto3_shows_address_region_and_signature() -> None:
    assert Direct.like(sent("http://h:9/bucket/a/b%20c"), "a/b c", True) == ("http://h:9/bucket/", "")
    at_amazon = "https://bucket.s3.eu-west-1.amazonaws.com/"
    assert Direct.like(sent(f"{at_amazon}a~b/%2B", "eu-west-1"), "a~b/+", False) == (at_amazon, "eu-west-1")


def test_what_is_asked_or_signed_otherwise_is_left_to_boto3() -> None:
    assert Direct.like(sent("http://h/bucket/a?versionId=1"), "a", True) is None
    assert Direct.like(sent("http://h/bucket/b"), "a", True) is None
    assert Direct.like(sent("http://h/bucket/a", "r", "AWS4-ECDSA-P256-SHA256"), "a", False) is None
    assert Direct.like(sent("http://h/bucket/a"), "a", False) is None


@pytest.mark.parametrize("region", ["", "eu-west-1"])
def test_a_request_is_that_of_boto3(region: str) -> None:
    """Address, headers and signature, but for those that boto3 sends about itself."""
    of_boto3: list[AWSPreparedRequest] = []
    session = botocore.session.Session()
    session.set_credentials("AKIA", "secret", "token")
    signature = None if region else UNSIGNED
    client = session.create_client("s3", region_name="eu-west-1", config=Config(signature_version=signature))

    def keep(request: AWSPreparedRequest, **_: object) -> None:
        of_boto3.append(request)
        raise ConnectionError

    client.meta.events.register("before-send.s3.GetObject", keep)
    for key in ("first", "a b/é+(1)~=&@:,*.x"):
        with pytest.raises(ConnectionError):
            client.get_object(Bucket="bucket", Key=key, IfMatch='"1"', Range="bytes=5-")
    direct = Direct.like(of_boto3[0], "first", not region)
    assert direct
    assert direct.region == region
    request = direct.request("a b/é+(1)~=&@:,*.x", {"If-Match": '"1"', "Range": "bytes=5-"}, session.get_credentials())
    assert request.url == of_boto3[-1].url
    same = {"If-Match", "Range", *(("X-Amz-Security-Token", "X-Amz-Content-SHA256") if region else ())}
    for name in same:
        value = of_boto3[-1].headers[name]
        assert request.headers[name] == (value.decode() if isinstance(value, bytes) else value)
    assert ("Authorization" in request.headers) == bool(region)
