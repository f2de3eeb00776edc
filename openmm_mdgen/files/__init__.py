"""How files are named and written: complete under their names or not at all.

May import errors.
"""
