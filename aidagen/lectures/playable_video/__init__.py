"""Lecture 07: Playable video."""

NUMBER = "07"
MODELS = ("playable",)  # the lecture cites their equations, which are this course's own
