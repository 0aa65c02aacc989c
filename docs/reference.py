"""Make the reference pages from the schemas and the list of figures when the site is built (a hook of MkDocs)."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

PACKAGE = Path(__file__).parents[1] / "workflow" / "scripts" / "ifcb_abundance"
sys.path.insert(0, str(PACKAGE.parent))

from ifcb_abundance.figures.registry import FIGURES  # noqa: E402


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    for name, page in {"config": config_page, "tables": tables_page, "figures": figures_page}.items():
        files.append(File.generated(config, f"reference/{name}.md", content=page()))
    return files


def config_page() -> str:
    """Each key of the config: what is accepted, what it means, its default."""
    schema = yaml.safe_load((PACKAGE / "config" / "config.schema.yaml").read_text(encoding="utf-8"))
    lines = [
        "# Config",
        "",
        "The keys of a config file. A key that you do not give keeps its default. `config/README.md` explains more.",
        "",
        "| key | default | accepted |",
        "|---|---|---|",
    ]
    for key, entry in _keys(schema):
        lines.append(f"| `{key}` | `{_shown(entry.get('default'))}` | {_cell(entry['description'])} |")
    return "\n".join([*lines, ""])


def _keys(entry: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, value in entry["properties"].items():
        if "properties" in value:
            yield from _keys(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _shown(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def tables_page() -> str:
    """Each table's columns: type, unit, meaning."""
    tables = yaml.safe_load((PACKAGE / "tables" / "tables.yaml").read_text(encoding="utf-8"))
    lines = ["# Tables", "", "Times are UTC. An empty cell is a missing value; zero is a count.", ""]
    for name, table in tables.items():
        lines += [f"## {name}", "", _cell(str(table["title"])), "", "| column | type | meaning |", "|---|---|---|"]
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
        "| figure | shows | drawn from | needs features |",
        "|---|---|---|---|",
    ]
    for figure in FIGURES.values():
        needs = "yes" if figure.needs_features else "no"
        lines.append(f"| `{figure.name}` | {_cell(figure.shows)} | {', '.join(figure.tables)} | {needs} |")
    return "\n".join([*lines, ""])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("{", "&#123;")
