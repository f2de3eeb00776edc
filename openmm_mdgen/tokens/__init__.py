"""Internal coordinates to what a network reads, and back.

May import geometry and errors.
"""
