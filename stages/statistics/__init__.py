"""What every number beside a verdict means: p-values, rates, intervals, limits; arrays alone."""
