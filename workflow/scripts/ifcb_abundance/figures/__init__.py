"""Figures of the tables, for papers and for the screen. Each figure is a module with a function `chart`.

It uses tables, classes and size spectra, and imports no client of a server.

Public: registry.FIGURES and figure_names, options.FigureOptions, draw.draw_figure, vega_scripts.bundle_scripts.
"""
