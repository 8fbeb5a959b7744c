"""Clips of a camera's own coded pictures: a ring of the newest, and fragmented MP4 made of them unchanged."""
