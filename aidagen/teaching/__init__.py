"""What the lectures are taught with."""
