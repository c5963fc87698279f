"""Storage that all machines reach (S3 and its like, or any shared folder), and copies of what lies there.

What is published lies there whole or not at all; a machine works on its own copy, which it fetches once.
"""
