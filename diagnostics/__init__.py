"""What observes: metrics, the monitor, recorded measurements, diagnoses and findings."""
