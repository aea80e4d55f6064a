"""What is on a switch, as data: tables, priorities, cookies and standing rules, and these rules as messages."""
