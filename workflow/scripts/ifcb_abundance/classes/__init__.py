"""Labels of a classifier and their meaning: the class table, thresholds of single classes, the top classes.

It uses common and tables, since a class table is a table.

Public: labels.UNCLASSIFIED, class_table.read_class_table and traits, thresholds.read_class_thresholds,
top_classes.top_classes.
"""
