"""The systems of the lectures, one per file; a model never imports another."""
