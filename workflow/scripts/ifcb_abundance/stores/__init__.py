"""Buckets and folders of any files: their inventory, plan and copy, and the arrays and graphs in them.

It uses the clients of sources, and knows nothing of bins.
"""
