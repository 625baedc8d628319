"""What is measured: scores, intervals, tests, diversity and novelty of text. Nothing here needs torch."""
