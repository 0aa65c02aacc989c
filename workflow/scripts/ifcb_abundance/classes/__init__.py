"""Labels of a classifier and what they stand for: the class table, thresholds of single classes, the top classes.

It uses common and tables, since a class table is a table.

Public: labels.UNCLASSIFIED, class_table.read_class_table and traits, thresholds.read_class_thresholds,
top_classes.top_classes.
"""
