"""Read a graph, check it and draw its nodes."""

import logging

from ifcb_abundance.common.job_log import scripted
from ifcb_abundance.stores.graphs import read_graph

logging.getLogger("ifcb.progress").setLevel(logging.INFO)  # the engine does it for its own process
scripted(
    snakemake.log[0],
    read_graph,
    snakemake.wildcards.graph,
    snakemake.params.graph,
    dict(snakemake.output.items()),
)
