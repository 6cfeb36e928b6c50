"""The routes of the platform, one module for each thing that is managed."""
