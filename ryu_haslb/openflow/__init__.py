"""The switch: its tables, the messages to it, what comes back. Ryu is imported here and in the application only."""
