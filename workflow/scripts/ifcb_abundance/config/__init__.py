"""The config: read strictly, filled with defaults and checked. Every fault is told with its key, value and place.

A model says what each section holds; all else is made from it. The room uses common, bins and classes, and imports no
client of a server.

Public: resolve, refused, why_no_source, Config and the models of its sections; files.read_strictly; documents, which
writes the JSON schema and the tables of config/README.md.
"""

from ifcb_abundance.config.checks import why_no_source
from ifcb_abundance.config.model import AUTO, MERGE, WORKFLOW, Config, Report, Select, Volumes
from ifcb_abundance.config.settings import refused, resolve

__all__ = ["AUTO", "MERGE", "WORKFLOW", "Config", "Report", "Select", "Volumes", "refused", "resolve", "why_no_source"]
