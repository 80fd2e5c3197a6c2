"""Pretrained networks that look at pictures for us, each with its name, unit and licence."""
