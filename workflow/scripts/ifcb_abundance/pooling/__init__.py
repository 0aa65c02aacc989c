"""How bins are pooled: the method that the config asks for, and the core that sums values of bins per group and class.

It uses config, classes and tables.

Public: method.Method and group_columns; core.group_bins, pool_bins, tabulate and join_groups.
"""
