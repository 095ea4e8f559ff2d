"""From a message to a receipt: rendering once, signals, batches."""
