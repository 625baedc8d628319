"""Models: classifiers of several kinds, language models, and what they share. Nothing here knows an experiment."""
