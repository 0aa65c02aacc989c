"""A real S3 server (moto's) on loopback that keeps a log of requests, and fails when it is told to."""

import logging
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs

import botocore.session
import requests
from botocore.config import Config
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Response

HOST = "127.0.0.1"
ADMIN = {"aws_access_key_id": "AKIATESTS", "aws_secret_access_key": "tests", "region_name": "us-east-1"}


@dataclass(frozen=True)
class Request:
    """A request as it came in. path: with the bucket. range: the header, if there is one."""

    method: str
    path: str
    query: Mapping[str, str]
    range: str | None
    signed: bool

    @property
    def listed(self) -> str | None:
        """The prefix that was listed, None if it was something else that was asked."""
        return self.query.get("prefix", "") if self.query.get("list-type") == "2" else None


class S3Server:
    """Serves from a thread of its own until it is closed; `fault` may give another answer to a request, or None.

    page: so many keys to a page of a list, at most. latency: seconds before each answer. most: the greatest number of
    class-scores and raw files that were asked for at the same time since the last `clear`. tls: serve https.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.fault: Callable[[Request], Response | None] | None = None
        self.page: int | None = None
        self.latency = 0.0
        self.most = 0
        self._in_flight = 0
        self._lock = threading.Lock()
        self._log: list[Request] = []
        self._app = DomainDispatcherApplication(create_backend_app)
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._server = make_server(HOST, 0, self._answer, threaded=True, request_handler=_Quiet, ssl_context=tls)
        self.url = f"{'https' if tls else 'http'}://{HOST}:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="S3 server", daemon=True)
        self._thread.start()
        self.want_logins(False)  # moto counts for the process, so another server may have wanted them

    @property
    def requests(self) -> list[Request]:
        """Every request since the last `clear`, but for those of this class."""
        with self._lock:
            return list(self._log)

    @property
    def lists(self) -> list[str]:
        """The prefixes that were listed, once for each page."""
        return [request.listed for request in self.requests if request.listed is not None]

    @property
    def keys(self) -> list[str]:
        """The objects that were asked for, with their bucket."""
        return [request.path for request in self.requests if request.listed is None]

    def clear(self) -> None:
        with self._lock:
            self._log.clear()
            self.most = 0

    def client(self, service: str = "s3") -> Any:
        """The server's own hand: its requests are not kept, and meet no fault."""
        patience = Config(read_timeout=20, retries={"total_max_attempts": 5})  # on a busy machine
        client = botocore.session.Session().create_client(service, endpoint_url=self.url, config=patience, **ADMIN)
        client.meta.events.register("before-send", lambda request, **_: request.headers.__setitem__("X-Own", "1"))
        return client

    def put(self, bucket: str, files: Mapping[str, bytes]) -> None:
        """Put objects that anybody may read, by key, into a bucket, which is made if it is not there."""
        client = self.client()
        client.create_bucket(Bucket=bucket)
        for key, body in files.items():
            client.put_object(Bucket=bucket, Key=key, Body=body, ACL="public-read")

    def delete(self, bucket: str, key: str) -> None:
        self.client().delete_object(Bucket=bucket, Key=key)

    def user(self, name: str, actions: Iterable[str]) -> tuple[str, str]:
        """The access key of a new user who may do that alone; it counts while logins are `wanted`."""
        client = self.client("iam")
        client.create_user(UserName=name)
        statement = [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]
        document = str({"Version": "2012-10-17", "Statement": statement}).replace("'", '"')
        client.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=document)
        key = client.create_access_key(UserName=name)["AccessKey"]
        return key["AccessKeyId"], key["SecretAccessKey"]

    def want_logins(self, wanted: bool) -> None:
        """Check signatures and what users may do; unsigned requests are refused."""
        count = "0" if wanted else "inf"
        requests.post(f"{self.url}/moto-api/reset-auth", data=count, headers={"X-Own": "1"}, timeout=10, verify=False)
        self.fault = (lambda request: None if request.signed else error(403, "AccessDenied")) if wanted else None

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if "HTTP_X_OWN" not in environ:
            query = {key: values[0] for key, values in parse_qs(environ["QUERY_STRING"]).items()}
            request = Request(
                environ["REQUEST_METHOD"],
                environ["PATH_INFO"].lstrip("/"),
                query,
                environ.get("HTTP_RANGE"),
                "HTTP_AUTHORIZATION" in environ,
            )
            with self._lock:
                self._log.append(request)
                answer = self.fault(request) if self.fault else None
                is_counted = request.path.endswith(("_class_scores.csv", ".hdr", ".adc"))
                self._in_flight += is_counted
                self.most = max(self.most, self._in_flight)
            time.sleep(self.latency)
            with self._lock:
                self._in_flight -= is_counted
            if answer is not None:
                return answer(environ, start_response)
            if self.page and request.listed is not None:
                environ["QUERY_STRING"] += f"&max-keys={self.page}"
        return self._app(environ, start_response)


class _Quiet(WSGIRequestHandler):
    def log_request(self, *args: object) -> None:
        pass


def error(status: int, code: str) -> Response:
    """A refusal as S3 words it."""
    return Response(f"<Error><Code>{code}</Code><Message>said {code}</Message></Error>", status, mimetype="text/xml")


def flat(folder: Path, prefix: str) -> dict[str, bytes]:
    """The files of bins below a folder, by the keys of the layout `{year}/{name}`, those of old bins in `legacy/`."""
    names = {path.name: path.read_bytes() for path in folder.rglob("*_*.*")}
    return {f"{prefix}{'legacy' if n.startswith('IFCB') else n[1:5]}/{n}": body for n, body in names.items()}
