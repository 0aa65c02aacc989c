"""abundance."""
