"""The demo archive, which the workflow makes up itself, with the same bytes each time.

It uses no other room, so that a fault in one of them cannot hide here.

Public: archive.write_demo_archive.
"""
