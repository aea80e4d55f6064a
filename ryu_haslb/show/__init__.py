"""What operators see: a file for each ``show`` command, with typed rows that print as on IOS; and the log of states."""
