"""The configuration: its model, drafts and checks, and its readers and writers in ios/ and yaml/."""
