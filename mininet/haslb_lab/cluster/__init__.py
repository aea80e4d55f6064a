"""A lab with a whole cluster: database servers, members, two switches; failures of each, and what home agents saw."""
