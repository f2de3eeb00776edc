"""A trajectory as one page that opens from disk: the molecule moves beside its map and its time series.

May import trajectory, evaluation, convert, peptide, geometry, files and errors.
"""
