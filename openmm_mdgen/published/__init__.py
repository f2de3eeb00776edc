"""The paper's own network, whole: residue tables, tokens, layers, checkpoints and the task they serve.

May import flow, peptide, geometry, files and errors.
"""
