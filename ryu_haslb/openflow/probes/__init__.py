"""The questions of probes to real servers, and their answers."""
