"""Added text: generators, baselines, the filters that candidates pass through, and the training rows of an arm."""
