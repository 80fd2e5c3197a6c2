"""Answers to exercises: how they are judged, what was tried, and pictures of what they give."""
