"""Configurations in YAML, which are executed as IOS commands."""
