"""Model versions: cards, artefacts, stages."""
