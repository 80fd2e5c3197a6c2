"""Lecture 05: First Order Motion."""

NUMBER = "05"
MODELS = ("fomm",)  # whose papers' equations the lecture cites
