"""Texts: works and outputs in, runs and passages out."""
