"""The operator's process: ``haslb`` as command and as prompt. It imports neither eventlet nor the engine."""
