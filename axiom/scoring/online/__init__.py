"""The online store: one packed vector of features a customer, read in microseconds."""
