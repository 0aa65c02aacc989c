"""Bundle the scripts that interactive figures need. vl-convert carries them, so nothing is loaded from a network."""

from pathlib import Path

import vl_convert

from ifcb_abundance.common.atomic_write import atomic_write

SNIPPET = "window.vegaEmbed = vegaEmbed;"


def bundle_scripts(path: str | Path) -> None:
    """Write Vega, Vega-Lite and Vega-Embed (BSD licence), with all that they need, as one script."""
    with atomic_write(path) as unfinished:
        unfinished.write_text(vl_convert.javascript_bundle(SNIPPET), encoding="utf-8")
