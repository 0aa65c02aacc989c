"""Which bins there are in the window, which of them are asked for and why the others are not, and in which shards.

It uses sources through their protocols, bins and tables.

Public: listing.list_catalog, selection.assess and Selection, shards.find_shards.
"""
