"""Frames, internal coordinates, side chains, loop closure and superposition, as torch tensors in Å.

May import errors.
"""
