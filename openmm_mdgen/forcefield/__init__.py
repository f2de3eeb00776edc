"""Peptides built from a sequence, and frames minimised, by OpenMM's force fields.

May import peptide, geometry and errors.
"""
