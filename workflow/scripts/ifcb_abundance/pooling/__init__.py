"""How bins are pooled: the method that the config asks for.

It uses classes.

Public: method.Method and group_columns.
"""
