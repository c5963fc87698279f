"""Whole searches measured, on a real Ray, and the cost of one foretold: with what a user sizes a cluster."""
