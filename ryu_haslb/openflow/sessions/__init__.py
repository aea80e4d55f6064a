"""The session rules of one switch: when they are installed, how fast, how many, and the key of their tags."""
