"""Tables: which there are, their columns, how they are written, read and checked, and the data package about them.

It knows the schemas in tables.yaml and all tables of the workflow. It uses common.

Public: registry.TABLES, made_by and wanted; table_files.write, read, check, columns and schema;
concatenate.concatenate and join_parts; data_package.describe_results.
"""
