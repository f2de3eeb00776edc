"""From folders of MD to weights.

May import weights, tasks, network, published, flow, tokens, convert, peptide, geometry, files and errors.
"""
