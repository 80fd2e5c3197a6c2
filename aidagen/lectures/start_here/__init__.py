"""Lecture 00: start here."""

NUMBER = "00"
MINUTES = (30, 60)  # that its plan may take; other lectures take 60 to 90
