"""One file per task: what a network is asked, and what becomes of its answer.

May import network, published, flow, tokens, peptide, geometry and errors.
"""
