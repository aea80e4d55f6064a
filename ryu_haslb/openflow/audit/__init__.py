"""The audit of one switch: which of our rules others have deleted or changed, and which of theirs override ours."""
