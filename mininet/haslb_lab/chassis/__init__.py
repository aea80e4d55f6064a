"""The chassis and its surroundings: descriptions, their checks and drawings, and the Mininet topologies of them."""
