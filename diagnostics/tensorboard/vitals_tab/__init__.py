"""The TensorBoard tab "Vitals": what broke in a sweep, when and where it began in a run, and what to try."""
