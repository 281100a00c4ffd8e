"""What becomes of an item between its receiver and its delivery."""
