"""The chassis and its surroundings, as Mininet topologies and as configurations."""
