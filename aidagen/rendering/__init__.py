"""Renderers of people, heads and a robot: what the course's own data sets are made with."""
