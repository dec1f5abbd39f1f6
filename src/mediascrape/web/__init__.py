"""The HTTP service: API, gallery, dashboard, metrics."""
