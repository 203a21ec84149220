"""Many runs: replications, comparisons, sweeps.  What is asked of each run comes from above, as a function."""
