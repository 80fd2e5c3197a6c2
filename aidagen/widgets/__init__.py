"""Widgets of the lectures, one per file."""
