"""The YAML form of a configuration, read through the commands of IOS."""
