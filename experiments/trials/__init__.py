"""Trials: diagnoses that must compute or train something of their own before they can judge."""
