"""What the faults of requests mean, for HTTP and S3 alike: both clients stand on urllib3."""

import re
from collections.abc import Iterator

import urllib3
from urllib3 import exceptions

from ifcb_abundance.common.errors import NoConnectionError, RequestError, TransientError
from ifcb_abundance.sources.retry import ENOUGH

PIECE = 2**18  # bytes of a body that are read at a time
OVERLOADED = (429, 502, 503, 504)  # a 500 is about one file
TRUNCATED = "no answer, or a truncated one"  # as RequestError.kind, like these
CHANGED = "changed since it was listed"
GONE = "HTTP 404"
LONGEST_WAIT = 600.0  # seconds between two tries
NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")  # of OpenSSL 1 to 3.1, and of later ones


def may_pass(status: int) -> bool:
    """Whether an answer of this status may be a good one at the next try."""
    return status in (408, 425, 429) or status >= 500


def passing(told: str, status: int, asked: str | None) -> RequestError:
    """The error for an answer whose status may pass.

    told: what is known of it, as a message. asked: its Retry-After header; a wait above LONGEST_WAIT makes the error a
    permanent one.
    """
    kind = f"HTTP {status}"
    try:
        wait = None if asked is None else urllib3.Retry().parse_retry_after(asked)
    except (exceptions.InvalidHeader, ValueError, OverflowError):  # neither seconds nor a date
        wait = None
    if wait is not None and wait > LONGEST_WAIT:
        return RequestError(f"{told}, and the server asks to wait (Retry-After: {asked}): try later", kind)
    return TransientError(told, wait, status in OVERLOADED, kind)


def too_large(name: str, max_body_mb: float, key: str) -> RequestError:
    """The error for an answer larger than the config's `key` allows."""
    return RequestError(f"{name}: the answer is larger than {key} ({max_body_mb:g} MB)", f"an answer larger than {key}")


def no_connection(
    error: BaseException, name: str, server: str, check: str, authorities: str
) -> NoConnectionError | None:
    """The error for a request that failed without a connection to the server; None if there was one.

    error: what the request failed with before an answer began. name: what was asked for. server: its address. check:
    the config keys that give it. authorities: the environment variable that names a file of trusted certificates.
    """
    faults = list(_chain(error))
    innermost, why = faults[-1], reason(error)

    def told(does: str, advice: str, enough: int, because: str = why, **more: bool) -> NoConnectionError:
        return NoConnectionError(f"{name}: {why}", f"{server} {does} ({because})", advice, enough, **more)

    def met(kind: type[Exception]) -> bool:
        return any(isinstance(fault, kind) for fault in faults)

    if "CERTIFICATE_VERIFY_FAILED" in str(innermost):
        advice = (
            "For a server whose certificate is of a private authority, name the file of that authority's certificate "
            f"in the environment variable {authorities}"
        )
        return told("has a certificate that is not trusted", advice, 0, for_good=True)
    network = f"Check {check}, and this machine's network"
    if met(exceptions.ProxyError):
        return told("is not reached through the proxy that the environment names", network, ENOUGH)
    if met(exceptions.SSLError):
        if any(sign in str(innermost) for sign in NO_TLS):
            advice = f"Check {check}: it says https://, which may have to be http://, or the port is another one"
            return told("does not speak TLS at this port", advice, 0)
        return told("makes no TLS connection", network, ENOUGH)
    if isinstance(innermost, exceptions.NameResolutionError):
        return told("has a host name that cannot be resolved", network, 0)
    if isinstance(innermost, exceptions.NewConnectionError):
        cause = innermost.__cause__
        because = f"{type(cause).__name__}: {cause}" if isinstance(cause, OSError) else why
        advice = f"Check {check}, or wait until the server runs again"
        return told("takes no connections", advice, 1, because=because)
    if met(exceptions.ConnectTimeoutError):
        advice = f"The server is down, or a firewall is in the way. {network}"
        return told("does not answer when it is asked for a connection", advice, ENOUGH, silent=True)
    return None


def reason(error: BaseException) -> str:
    """The innermost fault in one line, without logins: the outer ones repeat the address and each other."""
    *_, error = _chain(error)
    # Some hold a connection beside their text, and would print where it lies in memory.
    texts = [] if isinstance(error, OSError) else [part for part in error.args if isinstance(part, str)]
    told = f"{type(error).__name__}: {texts[-1] if texts else error}"
    return re.sub(r"(?<=//)\S*@", "...@", told)  # a proxy's address may hold a login


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The fault, then the one it is about, and so on: requests, botocore and urllib3 wrap one in the other."""
    inner: object = error
    while isinstance(inner, BaseException):
        error = inner
        yield error
        held = getattr(error, "kwargs", {}).get("error")  # as botocore keeps it
        inner = held or getattr(error, "reason", None) or (error.args or [None])[-1]
