"""A trained target looked at closely: what it predicts for chosen clips, and what it draws from each source.

Networks are run here, and what they say is written down as a `Look` (`results/look.py`), which reports read. No Ray.
"""
