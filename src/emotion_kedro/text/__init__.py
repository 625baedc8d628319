"""What is done to text: cleaning, reading sources, near-duplicates, sampling. No torch."""
