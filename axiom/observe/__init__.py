"""What an operator looks at: the catalogue of metrics, and the dashboards and alerts that are generated from it."""
