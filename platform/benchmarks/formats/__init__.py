"""Readers of the formats people really have, a file each: what lies in a folder, as recordings loaded one by one."""
