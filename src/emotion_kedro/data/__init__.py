"""What is done to text: reading, cleaning, labels, near-duplicates, sampling, splits. No torch."""
