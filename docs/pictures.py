"""Draw the pictures of README and vignettes from the demo's results: python docs/pictures.py, by `make pictures`."""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
DEMO = ROOT / "results" / "demo"
FIGURES = ("heat_map", "bin_series")
INTERPRETERS = {"python": (sys.executable,), "r": ("Rscript",)}


def report() -> None:
    """A screenshot of the report, as it opens in a window of a laptop."""
    program = shutil.which("google-chrome") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 800})
        page.goto((DEMO / "report.html").as_uri())
        page.wait_for_timeout(2000)
        page.screenshot(path=str(IMAGES / "report.png"))
        browser.close()


def vignette(language: str) -> None:
    """Run the code of a vignette; it draws its figure as guinardia.png."""
    text = (ROOT / "docs" / "vignettes" / f"{language}.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "results").symlink_to(ROOT / "results")
        Path(folder, "code").write_text(code, encoding="utf-8")
        subprocess.run([*INTERPRETERS[language], "code"], cwd=folder, check=True)
        shutil.copy(Path(folder, "guinardia.png"), IMAGES / f"vignette_{language}.png")


def main() -> None:
    """Draw all pictures; without R all but that of its vignette."""
    for name in FIGURES:
        shutil.copy(DEMO / "figures" / f"{name}.svg", IMAGES / f"{name}.svg")
    report()
    vignette("python")
    if shutil.which("Rscript"):
        vignette("r")


if __name__ == "__main__":
    main()
