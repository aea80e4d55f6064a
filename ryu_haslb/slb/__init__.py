"""Server load balancing decisions: farms, real servers, sessions. No I/O; time is an argument."""
