"""Where an array lies: a folder on disk, in a bucket or on a web server, whose small files can be read by name.

tensorstore fetches, signs and tries again. What it says of a failure is never passed on whole: the answer of a server
may repeat the id of a key.
"""

import json
import os
import re
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from ifcb_abundance.common.errors import WorkflowInputError
from ifcb_abundance.common.extras import needed
from ifcb_abundance.sources.objects import endpoint_of
from ifcb_abundance.sources.retry import RequestOptions, Retrier
from ifcb_abundance.sources.s3 import ConfigKeys, S3Client

if TYPE_CHECKING:
    import tensorstore as ts

FORMATS = ("precomputed", "n5", "zarr3", "zarr2", "zarr")  # as neuroglancer writes them before an address
METADATA = ("zarr.json", ".zarray", "attributes.json", "info")  # a folder with one of them may be an array
MOST_LISTED = 60  # folders that are listed to name arrays in a message
MOST_NAMED = 12
FEW = 8  # requests in flight at a time, if nobody says
MOVED = ("301", "302", "303", "307", "308")  # of HTTP
_RETRIES = {"max_retries": 5, "initial_delay": "500ms", "max_delay": "8s"}


def tensorstore() -> Any:
    """The library. Raises StateError, with the command that installs it, where it is missing."""
    return needed("tensorstore", "tensorstore", "Reading an array")


class ArrayError(WorkflowInputError):
    """An array, its metadata or a box of it cannot be used; names the array and the remedy."""


class ScaleError(ArrayError):
    """An array has no scale of that number."""


class ClosedError(ArrayError):
    """A file that this user may not read; buckets that may not be listed say the same of files that are not there."""


class UnreachableError(ArrayError):
    """A server does not answer, or answers with a fault, so nobody can say whether a file is there."""


@dataclass(frozen=True)
class Place:
    """A folder. url: s3://, gs://, http(s):// or a path, also with `precomputed://`, `n5://` or `zarr://` before it.

    endpoint_url: address of an S3-compatible server, None for AWS or the one that the environment names; a bucket of
    gs:// is read through it too, if it is given. anonymous: requests to S3 are not signed. connections: requests in
    flight at a time.
    """

    url: str
    endpoint_url: str | None = None
    anonymous: bool = True
    connections: int = FEW

    @property
    def hint(self) -> str:
        """The format that the address begins with, as in `precomputed://https://...`; empty if it does not say one."""
        head = self.url.partition("://")[0]
        return head if head in FORMATS else ""

    @property
    def address(self) -> str:
        """The address without a format before it and without a slash at its end."""
        address = self.url.partition("://")[2] if self.hint else self.url
        return address.rstrip("/") or address

    @property
    def kind(self) -> str:
        """`s3`, `gs`, `http`, `https` or, of a path, `file`."""
        kind = self.address.partition("://")[0]
        return kind if kind in ("s3", "gs", "http", "https") else "file"

    def below(self, path: str) -> "Place":
        """A folder below this one; this one itself for an empty path."""
        return replace(self, url=f"{self.address}/{path.strip('/')}") if path.strip("/.") else self

    def above(self) -> tuple["Place", str] | None:
        """The folder that this one is in, and the name of this one there; None at the top."""
        if self.kind == "file":
            folder = Path(os.path.abspath(self.address))  # noqa: PTH100 - a link is not followed
            return (replace(self, url=str(folder.parent)), folder.name) if folder.name else None
        root, path = self._split()
        head, _, name = path.rpartition("/")
        return (replace(self, url=f"{self.kind}://{root}/{head}".rstrip("/")), name) if head else None

    def _split(self) -> tuple[str, str]:
        """The bucket or host, and the path there, without a slash at its end."""
        root, _, path = self.address.partition("://")[2].partition("/")
        return root, path

    def kvstore(self) -> dict[str, Any]:
        """The folder as tensorstore's `kvstore` specification. It holds no credentials."""
        if self.kind == "file":
            return {"driver": "file", "path": os.path.abspath(self.address) + "/"}  # noqa: PTH100
        root, path = self._split()
        path = f"{path}/" if path else ""
        if self.kind in ("http", "https"):
            return {"driver": "http", "base_url": f"{self.kind}://{root}", "path": f"/{unquote(path)}"}  # it escapes
        endpoint = self._endpoint()
        if self.kind == "gs" and endpoint is None:
            return {"driver": "gcs", "bucket": root, "path": path}
        store: dict[str, Any] = {"driver": "s3", "bucket": root, "path": path}
        if self.anonymous:
            store |= {"aws_credentials": {"type": "anonymous"}}
        elif os.environ.get("AWS_ACCESS_KEY_ID"):  # saves complaints about files in ~/.aws that are not there
            store |= {"aws_credentials": {"type": "environment"}}
        else:  # without the name of a profile, tensorstore finds none in ~/.aws
            profile = os.environ.get("AWS_PROFILE") or "default"
            store |= {"aws_credentials": {"type": "default", "profile": profile}}
        if endpoint:  # a given region saves a request, and servers other than AWS do not look at it
            region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
            store |= {"endpoint": endpoint, "aws_region": region}
        return store

    def _endpoint(self) -> str | None:
        endpoint = self.endpoint_url
        if self.kind == "s3":
            endpoint = endpoint or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        return endpoint.rstrip("/") if endpoint else None

    @property
    def _authorities(self) -> tuple[str, ...]:
        """The environment variables that may name the certificates to trust, as boto3 and requests look for them."""
        of_s3 = self.kind == "s3" or (self.kind == "gs" and self.endpoint_url)
        return ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE") if of_s3 else ("REQUESTS_CA_BUNDLE",)

    def _trust(self) -> None:
        """Name these certificates to tensorstore, which looks for them once in a process, before its first request."""
        trusted = next(filter(None, map(os.environ.get, self._authorities)), None)
        if trusted and self.kind != "file" and not {"TENSORSTORE_CA_BUNDLE", "TENSORSTORE_CA_PATH"} & os.environ.keys():
            os.environ["TENSORSTORE_CA_PATH" if Path(trusted).is_dir() else "TENSORSTORE_CA_BUNDLE"] = trusted

    def context(self) -> "ts.Context":
        """How tensorstore asks: few requests at a time, a few tries of each, and nothing kept in memory."""
        self._trust()
        limits: dict[str, Any] = {"data_copy_concurrency": {"limit": 4}, "cache_pool": {"total_bytes_limit": 0}}
        for driver in ("s3", "gcs", "http"):
            limits |= {
                f"{driver}_request_concurrency": {"limit": self.connections},
                f"{driver}_request_retries": _RETRIES,
            }
        context: ts.Context = tensorstore().Context({**limits, "file_io_concurrency": {"limit": self.connections}})
        return context

    def read(self, name: str) -> bytes | None:
        """Read a file of the folder; None if it is not there.

        Raises UnreachableError if nobody can say, ClosedError if the server refuses to.
        """
        library = tensorstore()
        try:
            store = library.KvStore.open(self.kvstore(), context=self.context()).result()
            found = store.read(name).result()
        except Exception as error:  # tensorstore raises any kind
            if re.search(r"http[_ ]response[_ ]code='?404|NOT_FOUND|Not a directory", str(error)):
                return None
            kind = ClosedError if "PERMISSION_DENIED" in str(error) else UnreachableError
            raise kind(f"{self.address}/{name}: {why(error)}. {self._advice(error)}") from None
        return found.value if found.state == "value" else None

    def read_json(self, name: str) -> dict[str, Any] | None:
        """Read a JSON object of the folder; None if it is not there. Raises ArrayError, naming the file."""
        text = self.read(name)
        if text is None:
            return None
        try:
            value = json.loads(text)
        except ValueError as error:
            raise ArrayError(
                f"{self.address}/{name}: this is no JSON ({error}), so no metadata of an array: check the url, and "
                "whether a proxy answers in place of the server"
            ) from None
        if not isinstance(value, dict):
            raise ArrayError(f"{self.address}/{name}: a JSON object is expected, not a {type(value).__name__}")
        return value

    def advice(self, error: Exception) -> str:
        """What helps against a fault of a request whose cause is known; empty if it is not."""
        text, in_bucket = str(error), self.kind in ("s3", "gs")
        if re.search("SSL (peer )?(certificate|CA cert)", text):
            return (
                "For a server whose certificate is of a private authority, name the file of that authority's "
                f"certificate in the environment variable {self._authorities[0]}"
            )
        if in_bucket and re.search("ExpiredToken|InvalidToken|TokenRefreshRequired|get credentials", text):
            return "Check your credentials (environment, ~/.aws or the machine's role), or get new ones"
        if "Invalid S3 bucket name" in text:
            return (
                "Arrays cannot be read from a bucket of this name, such as the alias of an access point: set url to "
                "the bucket behind it or, if it is public, to its https:// address"
            )
        if _code(error) not in MOVED:
            return ""
        if not in_bucket:
            return "Redirects are not followed: set url to the address that a browser is led to"
        server = re.search(r"<Endpoint>([\w.-]+)</Endpoint>", text)
        to = f": its server is now {server[1]}" if server else ""
        return f"Redirects are not followed{to}. Check url and endpoint_url"

    def _advice(self, error: Exception) -> str:
        if known := self.advice(error):
            return known
        if "PERMISSION_DENIED" not in str(error):
            return "Check url and endpoint_url, and this machine's network"
        if self.kind not in ("s3", "gs"):
            return "Check the url"
        return (
            "Check url; set anonymous: false to use your credentials"
            if self.anonymous
            else "Check url and your credentials (environment, ~/.aws or the machine's role)"
        )

    def arrays(self) -> list[str]:
        """The paths of arrays below the folder, at most MOST_NAMED; empty where nobody can list it.

        A pyramid counts as one. Not more than MOST_LISTED folders are looked into.
        """
        if listed := self._consolidated():
            return listed[:MOST_NAMED]
        found: list[str] = []
        waiting, looked = [""], 0
        while waiting and looked < MOST_LISTED and len(found) < MOST_NAMED:
            path = waiting.pop(0)
            looked += 1
            try:
                files, folders = self._list(path)
            except (OSError, WorkflowInputError):
                continue
            if path and self._is_array(path, files):
                found.append(path)
            else:
                waiting += [f"{path}/{name}".strip("/") for name in sorted(folders)]
        return found

    def _consolidated(self) -> list[str]:
        """The arrays that a group of zarr lists itself, which spares a list of its folders."""
        third = (self.read_json("zarr.json") or {}).get("consolidated_metadata") or {}
        second = self.read_json(".zmetadata") or {}
        nodes = [*third.get("metadata", {}).items(), *second.get("metadata", {}).items()]
        return sorted(
            path.removesuffix("/.zarray")
            for path, entry in nodes
            if path.endswith("/.zarray") or (isinstance(entry, dict) and entry.get("node_type") == "array")
        )

    def _is_array(self, path: str, files: set[str]) -> bool:
        """Whether a folder with these files is an array or a pyramid of arrays."""
        if files & {".zarray", "info"}:
            return True
        for name in sorted(files & {"zarr.json", "attributes.json", ".zattrs"}):
            try:
                entry = self.below(path).read_json(name) or {}
            except ArrayError:
                continue
            if entry.get("node_type") == "array" or {"dimensions", "scales", "multiscales"} & entry.keys():
                return True
            if "ome" in entry.get("attributes", {}):
                return True
        return False

    def _list(self, path: str) -> tuple[set[str], set[str]]:
        """The names of files and of folders directly below a folder of this one."""
        if self.kind == "file":
            entries = list(Path(self.address, path).iterdir())
            return {e.name for e in entries if not e.is_dir()}, {e.name for e in entries if e.is_dir()}
        if self.kind in ("http", "https"):
            return set(), set()
        bucket, top = self._split()
        prefix = "".join(f"{part}/" for part in (top, path) if part)
        client = _client(self.kind, bucket, endpoint_of(self.kind, self.endpoint_url), self.anonymous)
        page = next(iter(client.pages(prefix, "/")))
        files = {entry.key.removeprefix(prefix) for entry in page.objects}
        return files, {folder.removeprefix(prefix).strip("/") for folder in page.folders}

    def exists(self) -> bool | None:
        """Whether there is anything at the address; None where nobody can say."""
        try:
            return any(self._list("")) if self.kind not in ("http", "https") else None
        except FileNotFoundError:
            return False
        except OSError:
            return None
        except WorkflowInputError as error:
            if "HTTP 404" in str(error):  # of a bucket that is not there
                raise ArrayError(str(error)) from None
            return None


@cache
def _client(kind: str, bucket: str, endpoint: str | None, anonymous: bool) -> S3Client:
    """The client of a bucket: one for all its folders."""
    retrier = Retrier(RequestOptions(retries=2, backoff=0.5, timeout=20))
    return S3Client(bucket, endpoint, anonymous, retrier, ConfigKeys("url", "endpoint_url", "anonymous", "url"), kind)


def why(error: Exception) -> str:
    """What tensorstore's error says, without answers of servers and without the places in its own code."""
    text = re.sub(r"\s*\[[\w ]+(=|\b).*", "", str(error).replace("\n", " "))
    text = re.sub(r"^[A-Z_]+: ", "", text)
    code = _code(error)
    if code in MOVED:  # in place of `Unknown`, or of a code of S3
        text = re.sub(r"\w+$", "the address has moved", text)
    return f"{text} (HTTP {code})" if code else text


def _code(error: Exception) -> str:
    """The status of the server's answer; empty if there was none."""
    code = re.search(r"(?:http_response_code='|HTTP code )(\d+)", str(error))
    return code[1] if code else ""
