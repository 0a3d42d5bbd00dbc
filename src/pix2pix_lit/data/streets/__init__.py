"""Draws street scenes: the geometry, class and appearance of each kind of object are in one module."""
