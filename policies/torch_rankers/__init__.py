"""What all torch rankers share: layers, samples, losses, training."""
