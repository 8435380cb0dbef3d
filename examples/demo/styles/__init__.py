"""Styles: the invented artists of the demo corpus, one module for each hand."""

from styles import (
    creatures,
    flows,
    glass,
    grids,
    leaves,
    lighthouses,
    loops,
    ridgelines,
    sunsets,
    tiles,
)

ARTISTS = (
    ridgelines.ARTIST,
    flows.ARTIST,
    grids.ARTIST,
    glass.ARTIST,
    loops.ARTIST,
    tiles.ARTIST,
    sunsets.ARTIST,
    creatures.ARTIST,
    lighthouses.ARTIST,
    leaves.ARTIST,
)
"""In the order of the contact sheet's rows."""
