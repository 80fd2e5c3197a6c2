"""Lecture 05: First Order Motion."""

NUMBER = "05"
MODELS = ("fomm",)  # the lecture cites their papers' equations
