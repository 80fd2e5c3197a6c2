"""Training on other people's machines: `aidagen bundle`, and a script for SLURM."""
