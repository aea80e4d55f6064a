"""``make bench`` compares the product with alternatives to it; ``make bench-quick`` fails if it has become slower."""
