"""What a run imports that is not ours: the server that runs are forked from imports this module once."""

import gc
from contextlib import suppress
from importlib import import_module

MODULES = (
    "snakemake.cli",
    # what the engine imports later
    *("snakemake.report.html_reporter.data", "snakemake.profiles", "snakemake.storage", "snakemake.script"),
    *("docutils.core", "docutils.languages.en", "docutils.parsers.rst.directives.images", "docutils.readers.doctree"),
    *("docutils.parsers.rst.languages.en", "pygments.formatters.html", "pygments.lexers"),
    *("jinja2", "jsonschema", "packaging.version", "platformdirs", "smart_open", "yte"),
    # libraries
    *("pandas.core.methods.to_dict", "pyarrow.csv", "pyarrow.dataset", "pyarrow.parquet", "scipy.special"),
    *("PIL.Image", "PIL.PngImagePlugin", "boto3", "pydantic", "requests", "tenacity"),
)
for module in MODULES:
    with suppress(ImportError):
        import_module(module)
gc.collect()
gc.freeze()  # no run searches all of this for garbage
