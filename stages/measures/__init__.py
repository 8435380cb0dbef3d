"""Distances and scores that several stages share, in the notation of their papers."""
