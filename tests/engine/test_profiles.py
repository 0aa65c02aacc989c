"""The profiles for clusters: the lines they share with the default one, and a plan of a run with each.

tests/engine/test_slurm.py runs them on a cluster.
"""

from pathlib import Path

import pytest
import yaml

from tests.checkout import ROOT, Checkout

PROFILES = sorted(path.parent.name for path in (ROOT / "profiles").glob("*/config.yaml"))


def read(profile: str) -> dict[str, object]:
    settings: dict[str, object] = yaml.safe_load(Path(ROOT, "profiles", profile, "config.yaml").read_text())
    return settings


@pytest.mark.parametrize("profile", PROFILES)
def test_no_line_of_the_default_profile_is_missing(profile: str) -> None:
    """The engine reads one profile, not the default beside it."""
    settings = read(profile)
    assert {name: settings.get(name) for name in read("default")} == read("default")


@pytest.mark.parametrize("profile", PROFILES)
def test_a_run_can_be_planned(checkout: Checkout, profile: str) -> None:
    printed = checkout.run(None, "--dry-run", "--workflow-profile", f"profiles/{profile}")
    assert "reshape_abundance" in printed
    assert not (checkout.folder / "results").exists()
