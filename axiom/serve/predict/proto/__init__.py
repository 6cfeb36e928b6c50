"""The gRPC contract: `axiom_predict.proto` and what `make proto` generates from it."""
