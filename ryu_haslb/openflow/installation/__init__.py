"""Meters and standing rules of one switch: installed in the layout that it can take, kept in place, removed."""
