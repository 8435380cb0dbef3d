"""Networks behind small protocols; the room that imports torch, diffusers and open_clip."""
