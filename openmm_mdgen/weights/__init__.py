"""Weights on disk, the names by which they are found, and the tasks made of them.

May import tasks, network, published, tokens, peptide, geometry, files and errors.
"""
