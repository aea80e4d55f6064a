"""The learning table of a switch that cannot switch by itself: what it learns, and the rules for it."""
