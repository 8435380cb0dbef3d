"""Where the image half and the text half meet: thresholds, verdicts, artists."""
