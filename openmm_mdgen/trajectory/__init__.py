"""The MDAnalysis edge: recipes, the .mdgen reader, blocks of frames, and writing them.

May import weights, tasks, forcefield, convert, peptide, geometry, files and errors.
"""
