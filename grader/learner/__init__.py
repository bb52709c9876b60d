"""What a learner does at a terminal: check, watch, reset, doctor, submit."""
