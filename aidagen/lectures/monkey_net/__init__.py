"""Lecture 04: Monkey-Net against X2Face."""

NUMBER = "04"
MODELS = ("x2face", "monkeynet")  # the lecture cites their papers' equations
