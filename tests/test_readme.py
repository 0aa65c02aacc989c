"""README.md and the vignettes: short, and what they say works."""

import re
from pathlib import Path

import pytest
import yaml

from ifcb_abundance.cli.targets import rules
from ifcb_abundance.config import resolve
from tests.checkout import ROOT, Checkout

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_it_is_short_and_its_links_lead_somewhere() -> None:
    assert len(README.split()) <= 800
    linked = re.findall(r"\]\(([^)#]+)\)|src=\"([^\"]+)\"", README)
    assert len(linked) > 25
    assert [path for pair in linked for path in pair if path and not (ROOT / path).exists()] == []


def test_its_configs_pass() -> None:
    configs = re.findall(r"^```yaml\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    kinds = [
        resolve(yaml.safe_load(text) | {"select": {"start": "2024-02-15", "end": "2024-02-21"}}) for text in configs
    ]
    assert [config.source.kind for config in kinds] == ["dashboard", "directory", "bucket"]


def test_its_targets_are_targets() -> None:
    known = {name for name, _, _ in rules()}
    asked = set(re.findall(r"run my\.yaml (\w+)\b", README))
    assert {"figures", "report", "recheck", "montages", "compare"} <= asked <= known


def test_the_python_vignette_draws_its_figure(
    demo_run: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "docs" / "vignettes" / "python.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    (tmp_path / "results").symlink_to(demo_run.folder / "results")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    exec(code, {})
    assert (tmp_path / "guinardia.png").stat().st_size > 10_000
