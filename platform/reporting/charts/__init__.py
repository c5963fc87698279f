"""The charts of pages. A chart's title is its finding; one that cannot be drawn says why in its place."""
