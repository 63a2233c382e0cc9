"""Drills: what must hold when something breaks, tried on real processes and told in numbers."""
