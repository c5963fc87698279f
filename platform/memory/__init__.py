"""Memory served in blocks: a frozen source's memories are computed once, stored, and read by every trial.

A source is frozen, so its memories are a pure function of its weights, the clips, the direction and the feed. A block
of clips is put through it once; the result lies in one Arrow file that any process on the machine maps.
"""
