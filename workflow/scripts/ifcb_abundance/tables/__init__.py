"""Tables as files: their columns, how they are written, read and checked, and the data package that describes them.

It knows the schemas in tables.yaml. It uses common.

Public: table_files.write, read, check, columns and schema, concatenate.concatenate, data_package.describe_results.
"""
