"""How good the classifier is, by what people see.

May use common, tables, bins, classes, config, raw, sources, catalog, scores, pooling, abundance, features and images.
"""
