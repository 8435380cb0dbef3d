"""Real photographs: what the pipeline finds in a model that nobody here drew pictures for."""
