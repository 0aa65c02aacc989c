"""What a run imports: the server that runs are forked from imports this module once.

Our modules are among it: those that the files of rules import. A checkout whose modules differ imports its own.
"""

import gc
import os
import re
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

MODULES = (
    "snakemake.cli",
    # what the engine imports later
    *("snakemake.report.html_reporter.data", "snakemake.profiles", "snakemake.storage", "snakemake.script"),
    *("docutils.core", "docutils.languages.en", "docutils.parsers.rst.directives.images", "docutils.readers.doctree"),
    *("docutils.parsers.rst.languages.en", "pygments.formatters.html", "pygments.lexers"),
    *("jinja2", "jsonschema", "packaging.version", "platformdirs", "smart_open", "yte"),
    # libraries
    *("pandas.core.methods.to_dict", "pyarrow.csv", "pyarrow.dataset", "pyarrow.parquet"),
    *("scipy.special", "scipy.stats"),
    *("PIL.Image", "PIL.PngImagePlugin", "boto3", "pydantic", "requests", "tenacity"),
)
ROOT = Path(__file__).parents[1]
IMPORT = re.compile(r"^from (ifcb_abundance\S*) import (.+)$", re.MULTILINE)


def of_rules() -> list[str]:
    """The modules of ours that files of rules import when they are read, and names in them, which are no modules."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "workflow" / "rules").glob("*.smk")]
    found = [found for text in texts for found in IMPORT.findall(text)]
    return [f"{package}.{name.split()[0]}" for package, names in found for name in names.split(",")]


def stamp(path: Path) -> tuple[int, int] | None:
    """Size and time of a file, which a copy has too; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


PACKAGE = ROOT / "workflow" / "scripts" / "ifcb_abundance"
OURS = {path.relative_to(ROOT): stamp(path) for path in PACKAGE.rglob("*.py")}


def forget_ours_unless_same(folder: Path) -> None:
    """Forget our modules if those of the checkout in the folder are others, so that it imports its own."""
    if not all(stamp(folder / path) == of_ours for path, of_ours in OURS.items()):
        for name in [name for name in sys.modules if name.split(".")[0] == PACKAGE.name]:
            del sys.modules[name]


import_module("tests.warm")  # what each fork begins with
sys.path.insert(0, str(PACKAGE.parent))
for module in (*MODULES, *of_rules()):
    with suppress(ImportError):
        import_module(module)
with suppress(Exception):
    import_module("snakemake.cli").get_argument_parser()  # finds the engine's plugins, once
with suppress(ImportError, KeyError):  # as in conftest.py
    draw: Any = import_module("ifcb_abundance.figures.draw")
    draw.DOTS_PER_INCH = int(os.environ["IFCB_TESTS_DPI"])
gc.collect()
gc.freeze()  # no run searches all of this for garbage
os.fsync = lambda _: None  # as in conftest.py; runs that are killed are processes of their own
