"""Of the models."""
