"""How fast the parts are: ratios measured side by side in one run, never timed tests."""
