"""What bounds the load of requests: admission, the clients that exceed their share, meters."""
