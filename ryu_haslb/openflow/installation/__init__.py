"""Meters and standing rules of one switch: installed, kept in place, removed."""
