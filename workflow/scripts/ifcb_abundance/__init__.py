"""Daily plankton abundance from the class scores of an Imaging FlowCytobot.

A folder is a room. Imports point down the list, which `make lint` checks (pyproject.toml, importlinter):

    cli
    report, exports
    figures
    validation
    recheck
    abundance, features, images
    pooling, archives
    catalog, scores
    sources
    config, raw
    classes
    tables, bins
    common

Rooms side by side do not know each other. `demo` and `engine` stand beside the list.
"""
