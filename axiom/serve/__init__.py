"""Ray Serve applications. HTTP frameworks appear in this room only."""
