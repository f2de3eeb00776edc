"""The user's structures, from any reader, to `peptide.Structure`, and topologies back.

May import peptide, geometry and errors.
"""
