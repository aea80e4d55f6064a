"""What operators see: the tables of IOS, from the same snapshot functions as everything else that reports."""
