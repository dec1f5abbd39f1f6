"""Load testing: a simulated origin in another process, a driver, and a report."""
