"""Pure mathematics on arrays: metrics, calibration, intervals. Imports numpy and scipy only."""
