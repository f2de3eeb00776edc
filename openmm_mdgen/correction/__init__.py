"""Generated ensembles corrected by short runs of the user's own System: seeds, runs, weights, files.

May import evaluation, convert, peptide, geometry, forcefield, trajectory, files and errors.
"""
