"""Frames, internal coordinates, side chains, loop closure and superposition, of arrays and torch tensors in Å.

May import errors.
"""
