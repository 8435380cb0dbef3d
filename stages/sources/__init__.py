"""How what a case names is found, listed and read; both halves share it."""
