"""The velocity network over tokens.

May import tokens and errors.
"""
