"""What a chain of residues is: names, bonds, checks, and the map from the user's atoms to canonical slots.

May import geometry and errors.
"""
