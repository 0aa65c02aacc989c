"""Make the reference pages from the config, tables and figures of the package: a hook of MkDocs."""

import json
import sys
from pathlib import Path

import yaml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

PACKAGE = Path(__file__).parents[1] / "workflow" / "scripts" / "ifcb_abundance"
sys.path.insert(0, str(PACKAGE.parent))

from ifcb_abundance.config import Config  # noqa: E402 - found by the line above
from ifcb_abundance.config.documents import keys  # noqa: E402
from ifcb_abundance.config.section import section_of  # noqa: E402
from ifcb_abundance.figures.registry import FIGURES  # noqa: E402
from ifcb_abundance.tables.registry import TABLES  # noqa: E402


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    for name, page in {"config": config_page, "tables": tables_page, "figures": figures_page}.items():
        files.append(File.generated(config, f"reference/{name}.md", content=page()))
    return files


def config_page() -> str:
    """Each key of the config: its default, what is accepted, and what it means."""
    lines = [
        "# Config",
        "",
        "The keys of a config file. A key that you do not give keeps its default. `config/README.md` explains more.",
        "",
        "| key | default | accepted |",
        "|---|---|---|",
    ]
    for key, info in keys(Config):
        if not section_of(info):
            default = "" if info.is_required() else f"`{json.dumps(info.default)}`"
            lines.append(f"| `{key}` | {default} | {_cell(info.description or '')} |")
    return "\n".join([*lines, ""])


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
