"""The config: read strictly, filled with defaults and checked, with every fault told by its key, value and place.

It knows config.schema.yaml. It uses common, bins and classes, and imports no client of a server.

Public: settings.resolve, window, class_thresholds and class_table; files.read_strictly.
"""
