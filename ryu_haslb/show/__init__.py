"""What operators see: typed rows from one snapshot, printed as IOS prints them, and log lines for state changes."""
