"""HTTP: the API, the metrics for Prometheus, and the page that shows the balancer live."""
