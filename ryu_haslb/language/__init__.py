"""The language of commands: grammar, values, wording and diagnostics. It knows no product and no other room."""
