"""The command language of IOS: grammar, abbreviations, errors that name place and expectation."""
