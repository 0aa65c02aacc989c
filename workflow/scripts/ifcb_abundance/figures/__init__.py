"""Figures of the tables, for papers and for the screen.

It uses tables, classes and size spectra, and imports no client of a server.

Public: figures.draw_figure, vega_scripts.bundle_scripts.
"""
