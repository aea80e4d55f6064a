"""What an operator configured: the model, and its readers and writers."""
