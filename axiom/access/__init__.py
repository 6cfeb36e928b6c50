"""Who is asking, what they may do, and how often: keys, limits, roles, passwords, tokens. No SQL, no HTTP."""
