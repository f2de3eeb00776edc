"""The stochastic interpolant and its solvers; knows no proteins.

May import errors.
"""
