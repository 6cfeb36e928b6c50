"""The online feature store: one packed vector per customer."""
