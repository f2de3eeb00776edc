"""What users call: simulate, interpolate, unconditional, inpaint, design.

May import trajectory, weights, tasks, forcefield, convert, peptide, geometry and errors.
"""
