"""The command language: grammar, values, wording and diagnostics. It depends on no product and on no other room."""
