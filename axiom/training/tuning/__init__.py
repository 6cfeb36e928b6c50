"""The search over churn models and their hyper-parameters: the space, one trial, the report; Ray Tune in `on_ray`."""
