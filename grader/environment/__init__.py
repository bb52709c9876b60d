"""The set-up behind `make lab` and `make test`: environment, packages, models. Standard library only."""
