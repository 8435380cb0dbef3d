"""Sequential: what sampling caption by caption saves against the cheapest fixed design."""
