"""Lecture 02: every smile is unique."""

NUMBER = "02"
