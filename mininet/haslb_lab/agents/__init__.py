"""What a home agent and a PDSN decide and show: registrations, bindings, visitors."""
