"""The chapter's examples: played, proved by captures, and compared with what it prints."""
