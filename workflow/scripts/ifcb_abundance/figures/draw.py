"""Draw a figure as SVG and PDF for papers and as an interactive page, all from one Vega-Lite specification."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

import jinja2
import vl_convert

from ifcb_abundance.common.atomic_write import atomic_write
from ifcb_abundance.figures.options import FigureOptions, Tables
from ifcb_abundance.figures.registry import FIGURES

CAPTIONS = Path(__file__).parent / "captions"
# One weight of one font: a PDF of several fonts has them in no fixed order.
PLAIN: dict[str, Any] = {"titleFontWeight": "normal", "titleFontSize": 11, "labelFontSize": 10}
CONFIG: dict[str, Any] = {
    "background": "white",
    "font": "sans-serif",
    "aria": False,  # a label on each of thousands of marks would make an SVG three times as large
    "view": {"stroke": "#bbb"},
    "title": {"anchor": "start", "fontSize": 15, "fontWeight": "normal", "subtitleFontSize": 11, "offset": 12},
    "axis": {**PLAIN, "labelLimit": 240, "grid": True, "gridColor": "#eee", "tickColor": "#bbb", "domainColor": "#bbb"},
    "legend": {
        **PLAIN,
        "labelLimit": 300,
        "titleLimit": 300,
        "orient": "bottom",
        "symbolSize": 90,
        "columns": 4,
        "padding": 8,
    },
    "header": {**PLAIN, "labelFontSize": 11, "labelLimit": 400, "labelAnchor": "start", "labelPadding": 3},
}
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<script>{scripts}</script>
</head>
<body>
<div id="figure"></div>
<script>vegaEmbed("#figure", {spec}).catch(console.error);</script>
</body>
</html>
"""


def describe(figure: str, tables: Tables, options: FigureOptions) -> dict[str, Any]:
    """Make the Vega-Lite specification of a figure, with its data. Raises ValidationError if it is invalid."""
    module = import_module(f"ifcb_abundance.figures.{FIGURES[figure].name}")
    spec: dict[str, Any] = module.chart(tables, options).to_dict()
    spec["description"] = caption(figure, options)
    spec["config"] = CONFIG
    # The parameter `screen` says whether there is a pointer: points that only carry a tooltip are not printed.
    spec["params"] = [*spec.get("params", []), {"name": "screen", "value": True}]
    actions = {"export": True, "source": False, "compiled": False, "editor": False}
    spec["usermeta"] = {"embedOptions": {"renderer": "canvas", "actions": actions, "downloadFileName": figure}}
    return spec


def caption(figure: str, options: FigureOptions) -> str:
    """Fill in the text below a figure; an empty line separates paragraphs."""
    template = jinja2.Template((CAPTIONS / f"{figure}.rst").read_text(encoding="utf-8"))
    paragraphs = template.render(snakemake={"params": {"figure_options": asdict(options)}}).split("\n\n")
    return "\n\n".join(" ".join(paragraph.replace("`", "").split()) for paragraph in paragraphs)


def for_paper(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Remove what only a pointer can reach from a specification."""
    params = [param for param in spec["params"] if param["name"] != "screen"]
    return {**spec, "params": [*params, {"name": "screen", "value": False}]}


def draw_figure(
    figure: str, tables: Tables, options: FigureOptions, scripts: str | Path, files: Mapping[str, str | Path]
) -> None:
    """Write a figure in the forms that `files` names: svg, pdf, html (it needs no network) and json.

    scripts: the file that `vega_scripts.py` wrote. The same tables give the same bytes.
    """
    spec = describe(figure, tables, options)
    text = json.dumps(spec, separators=(",", ":"), ensure_ascii=False)
    svg = renumber_ids(vl_convert.vegalite_to_svg(for_paper(spec)))
    page = PAGE.format(
        title=f"{figure}, {options.dataset}",
        scripts=Path(scripts).read_text(encoding="utf-8"),
        spec=text.replace("<", "\\u003c"),  # a label may hold what ends a script
    )
    contents = {
        "svg": svg.encode(),
        "pdf": sort_resources(vl_convert.svg_to_pdf(svg)),
        "html": page.encode(),
        "json": text.encode(),
    }
    for form, path in files.items():
        with atomic_write(path) as unfinished:
            unfinished.write_bytes(contents[form])


def renumber_ids(svg: str) -> str:
    """Count the ids of an SVG from 0: the library goes on counting through all that a process draws."""
    ids = dict.fromkeys(re.findall(r'id="((?:clip|gradient_)\d+)"', svg))
    new = {old: f"{old.rstrip('0123456789')}{i}" for i, old in enumerate(ids)}
    return re.sub(r"(?<=[\"#])(?:clip|gradient_)\d+(?=[\")])", lambda found: new.get(found[0], found[0]), svg)


def sort_resources(pdf: bytes) -> bytes:
    """Sort each list of resources in a PDF: the library writes them in a random order."""
    entries = rb"(/(?:XObject|ExtGState) <<\n)((?:[ ]+/\w+ \d+ 0 R\n)+)"
    return re.sub(entries, lambda found: found[1] + b"".join(sorted(found[2].splitlines(keepends=True))), pdf)
