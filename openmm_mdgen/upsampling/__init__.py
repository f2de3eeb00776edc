"""Trajectories made finer: original frames as they were, the frames between made by a model."""
