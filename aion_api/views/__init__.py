"""The views, one resource a file."""
