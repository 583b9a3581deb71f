"""Diagnosis by intervention: what a change of the config does to a run is measured, not guessed."""
