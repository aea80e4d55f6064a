"""What every program of a node uses: its life, its commands, its sockets and interfaces."""
