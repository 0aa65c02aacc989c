"""Files for repositories: NetCDF, Darwin Core, SeaBASS, ERDDAP.

It uses tables and coverage.

Public: publication.Publication, netcdf.export_netcdf, darwin_core.export_darwin_core, seabass.export_seabass,
erddap.export_erddap.
"""
