"""The requests at one switch: which packets are requests to us, and what each packet-in leads to."""
