"""Customer lifetime value: models of purchases and of spend, and their predictive distributions."""
