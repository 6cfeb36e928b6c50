"""Stage: leakage audit."""
