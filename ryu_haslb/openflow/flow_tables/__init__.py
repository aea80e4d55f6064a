"""What is on a switch, as data: tables, priorities, cookies, standing and session rules; and the rules as messages."""
