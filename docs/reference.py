"""Make pages from the config, tables and figures of the package, and from the demo's results: a hook of MkDocs."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

PACKAGE = Path(__file__).parents[1] / "workflow" / "scripts" / "ifcb_abundance"
sys.path.insert(0, str(PACKAGE.parent))

from ifcb_abundance.common.version import NAME, VERSION  # noqa: E402 - found by the line above
from ifcb_abundance.config import Config  # noqa: E402
from ifcb_abundance.config.documents import keys, meaning  # noqa: E402
from ifcb_abundance.config.section import section_of  # noqa: E402
from ifcb_abundance.figures.registry import FIGURES  # noqa: E402
from ifcb_abundance.tables.registry import TABLES  # noqa: E402

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "results" / "demo"
# What of the demo's results is published beside the pages; a figure's page has all its scripts in it.
PUBLISHED = ("report.html", "abundance_long.csv", "ledger.csv", "coverage.csv", "run.json", "overview.rst")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Say the version at the foot of each page."""
    config.copyright = f"{NAME} {VERSION}, MIT licence"
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages, and the demo's results if they are there."""
    pages = {"config": config_page, "tables": tables_page, "figures": figures_page}
    made = {f"reference/{name}.md": page for name, page in pages.items()}
    for path, page in {**made, "changelog.md": changelog_page, "example.md": example_page}.items():
        files.append(File.generated(config, path, content=page()))
    for path in published():
        name = f"example/{path.relative_to(DEMO).as_posix()}"
        files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def published() -> Iterator[Path]:
    """The files of the demo's results that are published: none before `make docs` has run the demo."""
    yield from (DEMO / name for name in PUBLISHED if (DEMO / name).exists())
    yield from (path for path in sorted((DEMO / "figures").glob("*")) if path.suffix in (".svg", ".html"))


def example_page() -> str:
    """Show the demo's results: the report, the tables and each figure."""
    there = {path.relative_to(DEMO).as_posix() for path in published()}
    lines = ["# Example results", "", "What a run of the demo leaves, to click through. Its bins are made up."]
    if not there:
        return "\n".join([*lines, "", "They are not in this build: `make docs` runs the demo first.", ""])
    if "report.html" in there:
        lines += ["", "[Open the report](example/report.html): one page, as you would send it on.", ""]
        lines += ["[![The report in a browser](images/report.png)](example/report.html)"]
    tables = [name for name in PUBLISHED if name in there and name != "report.html"]
    lines += ["", "Tables: " + ", ".join(f"[`{name}`](example/{name})" for name in tables) + ".", ""]
    for name, figure in FIGURES.items():
        if {f"figures/{name}.svg", f"figures/{name}.html"} <= there:
            picture = f"![{figure.shows}](example/figures/{name}.svg)"
            lines += [
                f"## {figure.shows[0].upper()}{figure.shows[1:]}",
                "",
                f"[{picture}](example/figures/{name}.html)",
                "",
            ]
    return "\n".join(lines)


def changelog_page() -> str:
    """The changelog, with its links to files as they are among the pages."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    text = re.sub(r"\]\((?:docs/)([^)]+)\)", r"](\1)", text)
    return re.sub(r"\[([^\]]+)\]\((?!https?:)(?!(?:[a-z-]+/)*[a-z-]+\.md)[^)]+\)", r"\1", text)


def config_page() -> str:
    """Each key of the config, section by section: its default, what is accepted, and what it means."""
    lines = [
        "# Config",
        "",
        "The keys of a config file. A key that you do not give keeps its default. `config/README.md` in the clone has "
        "examples, and more on single keys.",
    ]
    section = ""
    for key, info in keys(Config):
        if (above := key.split(".")[0]) != section and section_of(info):
            section = above
            lines += ["", f"## {section}", "", _linked(meaning(info)) + "."]
        if not section_of(info):
            default = "" if info.is_required() else f" (default `{json.dumps(info.default)}`)"
            lines += ["", f"**`{key}`**{default}", "", f":   {_linked(meaning(info))}."]
    return "\n".join([*lines, ""])


def _linked(text: str) -> str:
    """A text of config/README.md, with its links as they are among the pages."""
    text = text.replace("](../docs/", "](../").replace(
        "](#an-archive-in-a-bucket)", "](../how-to/my-dataset.md#an-archive-in-a-bucket)"
    )
    return text.replace("{", "&#123;") if "`{" not in text else text


def tables_page() -> str:
    """List the files of each table, who makes them and when, and its columns: type, unit, meaning."""
    tables = yaml.safe_load((PACKAGE / "tables" / "tables.yaml").read_text(encoding="utf-8"))
    lines = ["# Tables", "", "Times are UTC. An empty cell is a missing value; zero is a count.", ""]
    for name, table in tables.items():
        lines += [f"## {name}", "", _cell(str(table["title"])), ""]
        for file in (each for each in TABLES.values() if each.schema == name):
            days = f" Each day's part: `{file.part}`." if file.part else ""
            lines.append(f"- `{file.merged}`: rule `{file.made_by}`, {file.when}.{days}")
        lines += ["", "| column | type | meaning |", "|---|---|---|"]
        for field in table["fields"]:
            unit = f" ({field['unit']})" if field.get("unit") else ""
            lines.append(f"| `{field['name']}` | {field['type']} | {_cell(field['description'])}{unit} |")
        lines.append("")
    return "\n".join(lines)


def figures_page() -> str:
    """List each figure with what it shows and the tables that it is drawn from."""
    lines = [
        "# Figures",
        "",
        "[How to draw them](../how-to/figures.md). Each is a module of its name in `ifcb_abundance/figures`.",
        "",
        "| figure | shows | drawn from | needs |",
        "|---|---|---|---|",
    ]
    for figure in FIGURES.values():
        needs = "features" if figure.needs_features else "labels" if figure.needs_labels else ""
        lines.append(f"| `{figure.name}` | {_cell(figure.shows)} | {', '.join(figure.tables)} | {needs} |")
    return "\n".join([*lines, ""])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("{", "&#123;")
