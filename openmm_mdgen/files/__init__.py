"""How files are written: complete under their names or not at all.

May import errors.
"""
