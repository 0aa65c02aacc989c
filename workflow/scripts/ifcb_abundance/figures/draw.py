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
from ifcb_abundance.figures import chart_parts as parts
from ifcb_abundance.figures import pdf
from ifcb_abundance.figures.options import PIXELS_PER_MM, FigureOptions, Tables
from ifcb_abundance.figures.registry import FIGURES

DOTS_PER_INCH = 300
PLAIN_DIGITS = {ord(raised): plain for plain, raised in zip("\N{MINUS SIGN}0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹", strict=True)}
CAPTIONS = Path(__file__).parent / "captions"
# Sizes in CSS's pixels: 4/3 of a point, so 10 are 7.5 pt and 11.5 are 8.6 pt. `fitted` may still scale them a little.
LABEL, HEADING, TITLE = 10, 10.6, 11.5
SMALLEST, LARGEST = 7 * 4 / 3, 9 * 4 / 3  # of all text
PLAIN: dict[str, Any] = {"titleFontWeight": "normal", "titleFontSize": HEADING, "labelFontSize": LABEL}
CONFIG: dict[str, Any] = {
    "background": "white",
    "aria": False,  # a label on each of thousands of marks would make an SVG three times as large
    "padding": 4,
    "view": {"stroke": "#bbb"},
    "text": {"fontSize": LABEL},
    "title": {
        "anchor": "start",
        "frame": "bounds",
        "fontSize": TITLE,
        "fontWeight": "normal",
        "subtitleFontSize": LABEL,
        "subtitleColor": "#444",
        "offset": 8,
    },
    "axis": {**PLAIN, "labelLimit": 240, "grid": True, "gridColor": "#eee", "tickColor": "#bbb", "domainColor": "#bbb"},
    "legend": {
        **PLAIN,
        "labelLimit": 300,
        "titleLimit": 300,
        "orient": "top",
        "symbolSize": 70,
        "columns": 4,
        "offset": 6,
        "rowPadding": 1,
        "padding": 4,
    },
    "header": {**PLAIN, "labelFontSize": HEADING, "labelLimit": 700, "labelAnchor": "start", "labelPadding": 3},
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
    spec: dict[str, Any] = parts.with_harmless_texts(module.chart(tables, options).to_dict())
    spec["description"] = caption(figure, options)
    # A family that a machine does not have would leave text out, so there is always a second one.
    spec["config"] = {**CONFIG, "font": ", ".join([*([options.font] if options.font else []), "sans-serif"])}
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
    """Write a figure in the forms that `files` names: svg, pdf, png, html (it needs no network) and json.

    scripts: the file that `vega_scripts.py` wrote. The same tables give the same bytes.
    """
    spec, svg = fitted(describe(figure, tables, options), options.width)
    text = json.dumps(spec, separators=(",", ":"), ensure_ascii=False)
    page = PAGE.format(
        title=f"{figure}, {options.dataset}",
        scripts=Path(scripts).read_text(encoding="utf-8"),
        spec=text.replace("<", "\\u003c"),  # a label may hold what ends a script
    )
    in_points = sized(
        with_raised_digits(svg), options.width, 0.75, ""
    )  # of the units of a PDF there are 72 to the inch
    contents = {
        "svg": sized(svg, options.width, 1 / PIXELS_PER_MM, "mm").encode(),
        "pdf": pdf.in_order(vl_convert.svg_to_pdf(in_points)),
        "png": vl_convert.svg_to_png(in_points, ppi=DOTS_PER_INCH),
        "html": page.encode(),
        "json": text.encode(),
    }
    for form, path in files.items():
        with atomic_write(path) as unfinished:
            unfinished.write_bytes(contents[form])


def fitted(spec: dict[str, Any], width: float) -> tuple[dict[str, Any], str]:
    """Make a figure as wide as asked for: its description, and its SVG.

    How much room axes and legends take is known once they are drawn. If text would not stay between 7 and 9 pt when the
    picture is scaled, the panels get other widths and the figure is drawn once more.
    """
    svg = _svg_of(spec)
    for _ in range(2):
        if SMALLEST / LABEL <= width / size_of(svg)[0] <= LARGEST / TITLE:
            break
        if spec.get("name") == parts.FIXED and size_of(svg)[0] < width:
            return spec, padded(svg, width)
        spec = widened(spec, width - size_of(svg)[0])
        svg = _svg_of(spec)
    return spec, svg


def _svg_of(spec: Mapping[str, Any]) -> str:
    """Draw a specification for print.

    Cells and bars have sharp edges and are at least a pixel wide. Smooth edges of narrower ones would mix with the
    white behind them, so that a group of classes had another colour over twelve years than over four days. Those that
    one can see through stay as they are: where they overlap they would be darker.
    """
    svg = renumber_ids(vl_convert.vegalite_to_svg(for_paper(spec)))
    if spec.get("name") == parts.FIXED:  # its cells have gaps that would come and go
        return svg
    svg = re.sub(r'(d="M[^h"]*)h0?\.\d+(v[^h"]*)h-0?\.\d+(Z" fill="[^"]*"/>)', r"\1h1\2h-1\3", svg)
    return svg.replace('<g class="mark-rect role-mark', '<g shape-rendering="crispEdges" class="mark-rect role-mark')


def widened(spec: dict[str, Any], by: float) -> dict[str, Any]:
    """Give panels more pixels, or fewer. Those of a figure that is true to scale keep their shape."""
    if "concat" in spec:
        each = by / min(spec["columns"], len(spec["concat"]))
        return {**spec, "concat": [widened(panel, each) for panel in spec["concat"]]}
    if "vconcat" in spec:
        return {**spec, "vconcat": [widened(panel, by) for panel in spec["vconcat"]]}
    if "spec" in spec:  # facets
        return {**spec, "spec": widened(spec["spec"], by / spec.get("columns", 1))}
    wide = max(spec["width"] + by, 60)
    tall = {"height": spec["height"] * wide / spec["width"]} if spec.get("name") == parts.TRUE_TO_SCALE else {}
    return {**spec, "width": wide, **tall}


def padded(svg: str, width: float) -> str:
    """Leave white space at the right of an SVG up to a width."""
    own, height = (re.escape(f"{length:g}") for length in size_of(svg))
    svg = re.sub(rf'viewBox="0 0 {own} {height}"', f'viewBox="0 0 {width:g} {height}"', svg, count=1)
    return re.sub(rf'<rect width="{own}" height="{height}"', f'<rect width="{width:g}" height="{height}"', svg, count=1)


def size_of(svg: str) -> tuple[float, float]:
    """The width and height of an SVG in pixels."""
    found = re.search(r'<svg [^>]*viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert found  # Vega always writes it
    return float(found[1]), float(found[2])


def sized(svg: str, width: float, per_pixel: float, unit: str) -> str:
    """Say how wide and high an SVG is. width: in pixels; per_pixel: units in a pixel."""
    own, height = size_of(svg)
    wide, tall = (f"{length * per_pixel:.6g}{unit}" for length in (width, height * width / own))
    return re.sub(r'(<svg [^>]*?)width="[^"]*" height="[^"]*"', rf'\1width="{wide}" height="{tall}"', svg, count=1)


def with_raised_digits(svg: str) -> str:
    """Raise and shrink plain digits in place of superscripts, of which many fonts have only some."""

    def raised(found: re.Match[str]) -> str:
        plain = found[0].translate(PLAIN_DIGITS)
        return f'<tspan dy="-0.45em" font-size="70%">{plain}</tspan><tspan dy="0.315em">\u200b</tspan>'

    def in_text(found: re.Match[str]) -> str:
        return re.sub("[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+", raised, found[0])

    return re.sub(r">[^<>]+(?=<)", in_text, svg)


def renumber_ids(svg: str) -> str:
    """Count the ids of an SVG from 0: the library goes on counting through all that a process draws."""
    ids = dict.fromkeys(re.findall(r'id="((?:clip|gradient_)\d+)"', svg))
    new = {old: f"{old.rstrip('0123456789')}{i}" for i, old in enumerate(ids)}
    return re.sub(r"(?<=[\"#])(?:clip|gradient_)\d+(?=[\")])", lambda found: new.get(found[0], found[0]), svg)
