"""Bridges to what else a project uses. Each needs an extra of its own; Aion itself imports none."""
