"""Generative molecular dynamics (MDGen) behind OpenMM's Integrator and MDAnalysis' Universe."""
