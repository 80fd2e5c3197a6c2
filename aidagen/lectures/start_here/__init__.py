"""Lecture 00: start here."""

NUMBER = "00"
