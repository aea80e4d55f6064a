"""``make bench`` measures the product beside what one could use instead, ``make bench-quick`` guards ratios."""
