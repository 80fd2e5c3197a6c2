"""Lecture 03: Deformable GANs, people with parts that move."""

NUMBER = "03"
