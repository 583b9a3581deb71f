"""Other people's training loops, as the events and the `Observable` of our own; a framework is imported only here."""
