"""Error rates over training runs: many small diffusion models, each with its own split of works."""
