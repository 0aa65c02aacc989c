"""TLS is verified, and logins work by the ways that requests has, without being written anywhere.

Certificates are made for each run of the tests; nothing here is a credential of anybody.
"""

import os
import ssl
from base64 import b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.archives import bin_row, write_archive
from tests.checkout import Checkout
from tests.dashboard.emulator import Emulator

BIN = "D20240401T010000_IFCB010"
USER, PASSWORD = "someone", "correct-horse-battery"
# Not set in the environment of a run, unless a test says so.
UNSET = ["NETRC", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"]
UNSET += [spelt(f"{kind}_proxy") for kind in ("http", "https", "all", "no") for spelt in (str.lower, str.upper)]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return write_archive(tmp_path / "archive", [bin_row(BIN)], {BIN: (["A", "B"], [[0.9, 0.1], [0.2, 0.8]])})


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secure(archive: Path, authority: trustme.CA) -> Iterator[Emulator]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with Emulator({"demo": archive}, tls=context) as dashboard:
        yield dashboard


def settings(url: str) -> dict[str, Any]:
    source = {"kind": "dashboard", "url": url, "backoff": 0.05, "retries": 2, "timeout": 5}
    return {"dataset": "demo", "source": source, "select": {"start": "2024-04-01", "end": "2024-04-01"}}


def run(checkout: Checkout, url: str, env: Mapping[str, str], fails: bool = False) -> str:
    return checkout.run(settings(url), fails=fails, env={**dict.fromkeys(UNSET), "HOME": str(checkout.folder), **env})


def assert_table(checkout: Checkout) -> None:
    table = checkout.table("demo").set_index("class")["count"]
    assert table.to_dict() == {"A": 1, "B": 1, "unclassified": 0}


def written(checkout: Checkout) -> dict[Path, bytes]:
    """All that a run left behind, its messages included."""
    tops = ("results", "logs", ".snakemake")
    return {p: p.read_bytes() for top in tops for p in (checkout.folder / top).rglob("*") if p.is_file()}


def assert_written_nowhere(checkout: Checkout, printed: str) -> None:
    files = written(checkout)
    assert any(path.suffix == ".log" for path in files)  # there is something to look at
    for secret in (PASSWORD, b64encode(f"{USER}:{PASSWORD}".encode()).decode()):
        assert secret not in printed
        assert [path for path, text in files.items() if secret.encode() in text] == []


# --- TLS ---


def test_a_certificate_of_nobody_known_is_refused_at_once(checkout: Checkout, secure: Emulator) -> None:
    printed = run(checkout, secure.url, {}, fails=True)
    assert "certificate verify failed" in printed
    assert "REQUESTS_CA_BUNDLE" in printed  # what to do
    assert "trying again" not in printed  # it would not pass
    assert "Traceback" not in printed
    assert secure.requests == []


def test_a_private_authority_is_believed_by_the_usual_variable(
    checkout: Checkout, secure: Emulator, authority: trustme.CA, tmp_path: Path
) -> None:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    run(checkout, secure.url, {"REQUESTS_CA_BUNDLE": str(tmp_path / "ca.pem")})
    assert_table(checkout)


def test_a_certificate_of_another_host_is_refused(
    checkout: Checkout, archive: Path, authority: trustme.CA, tmp_path: Path
) -> None:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("elsewhere.example").configure_cert(context)
    with Emulator({"demo": archive}, tls=context) as dashboard:
        printed = run(checkout, dashboard.url, {"REQUESTS_CA_BUNDLE": str(tmp_path / "ca.pem")}, fails=True)
        assert dashboard.requests == []
    assert "127.0.0.1" in printed
    assert "certificate" in printed
    assert "trying again" not in printed


# --- logins ---


@pytest.fixture
def netrc(checkout: Checkout) -> Path:
    """In the home folder that `run` gives to the process."""
    path = checkout.folder / ".netrc"
    path.write_text(f"machine 127.0.0.1 login {USER} password {PASSWORD}\n")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("variable", [False, True])
def test_a_login_in_netrc_is_used_and_written_nowhere(
    checkout: Checkout, archive: Path, netrc: Path, tmp_path: Path, variable: bool
) -> None:
    env = {}
    if variable:
        env["NETRC"] = str(netrc.rename(tmp_path / "elsewhere"))
    with Emulator({"demo": archive}, login=f"{USER}:{PASSWORD}") as dashboard:
        printed = run(checkout, dashboard.url, env)
        assert len(dashboard.requests) == 2
    assert_table(checkout)
    assert_written_nowhere(checkout, printed)


def test_a_login_that_is_refused_is_said_and_not_shown(checkout: Checkout, archive: Path, netrc: Path) -> None:
    assert netrc.exists()
    with Emulator({"demo": archive}, login="someone:else") as dashboard:
        printed = run(checkout, dashboard.url, {}, fails=True)
        assert len(dashboard.requests) == 1
    assert "HTTP 401" in printed
    assert ".netrc" in printed  # what to do
    assert_written_nowhere(checkout, printed)


def test_a_login_in_the_address_is_refused_before_any_request(checkout: Checkout, archive: Path) -> None:
    with Emulator({"demo": archive}) as dashboard:
        printed = run(checkout, dashboard.url.replace("//", f"//{USER}:{PASSWORD}@"), {}, fails=True)
        assert dashboard.requests == []
    assert "source.url" in printed
    assert "without query or login" in printed
    assert_written_nowhere(checkout, printed)


# --- proxies ---


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY"])
def test_a_proxy_with_a_login_is_used_and_its_login_written_nowhere(
    checkout: Checkout, archive: Path, name: str
) -> None:
    with Emulator({"demo": archive}) as proxy:
        env = {name: f"http://{USER}:{PASSWORD}@127.0.0.1:{proxy.port}"}
        printed = run(checkout, "http://dashboard.invalid", env)  # a name that no network has
        assert len(proxy.requests) == 2
        assert all(request.headers["Host"] == "dashboard.invalid" for request in proxy.requests)
        assert all(request.headers["Proxy-Authorization"].startswith("Basic ") for request in proxy.requests)
    assert_table(checkout)
    assert_written_nowhere(checkout, printed)


def test_a_proxy_that_is_not_there_is_said_without_its_login(checkout: Checkout, archive: Path) -> None:
    with Emulator({"demo": archive}) as proxy:
        port = proxy.port
    env = {"http_proxy": f"http://{USER}:{PASSWORD}@127.0.0.1:{port}"}
    printed = run(checkout, "http://dashboard.invalid", env, fails=True)
    assert "Connection refused" in printed
    assert "tried 3 times" in printed
    assert "Traceback" not in printed
    assert_written_nowhere(checkout, printed)


def test_no_proxy_is_obeyed(checkout: Checkout, archive: Path) -> None:
    with Emulator({"demo": archive}) as dashboard:
        run(checkout, dashboard.url, {"http_proxy": "http://dashboard.invalid:1", "no_proxy": "127.0.0.1"})
        assert len(dashboard.requests) == 2
    assert_table(checkout)
    assert os.environ.get("http_proxy") != "http://dashboard.invalid:1"
