"""IPsec as the chapter configures it: the language's model, its translation for strongSwan, and what is shown of it."""
