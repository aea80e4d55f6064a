"""Configurations in the language of IOS: commands, their actions, reader and writer."""
