"""The demo where there is next to nothing: no home folder, and a proxy that does not answer."""

from tests.integration.conftest import Checkout

# Nobody can make a folder in /proc, not even root.
NO_HOME = {"HOME": "/proc/nowhere", "XDG_CACHE_HOME": None, "XDG_CONFIG_HOME": None, "XDG_DATA_HOME": None}
DEAD_PROXIES = {f"{kind}_proxy": "http://127.0.0.1:9" for kind in ("http", "https", "all")}


def test_the_demo_needs_no_home_folder_and_no_network(checkout: Checkout, demo_run: Checkout) -> None:
    checkout.run(env=NO_HOME | DEAD_PROXIES)
    assert checkout.files("demo") == demo_run.files("demo")
    assert "Nothing to be done" in checkout.run(None, "--dry-run", env=NO_HOME)


def test_the_engines_own_checks_need_no_home_folder(demo_run: Checkout) -> None:
    assert "in a good condition" in demo_run.run(None, "--lint", env=NO_HOME)
