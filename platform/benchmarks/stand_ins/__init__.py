"""Made-up recordings in the shape of the real ones, for a machine that has none; always labelled *synthetic*."""
